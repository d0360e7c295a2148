import { positionToJson } from '../../clock/vector.js';
import { filerStates, type FilerInfo } from '../../replication/peer.js';
import { Fields, invalidField } from './fields.js';

/* GET store: what a filer says of itself. */

export function infoToJson(info: FilerInfo): Record<string, unknown> {
  const hashes = Object.fromEntries([...info.hashes].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...info, position: positionToJson(info.position), hashes };
}

const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{12}$/.test(value);

/** @throws FilerError BODY_INVALID naming the field */
export function infoFromJson(body: unknown): FilerInfo {
  const info = new Fields(body);
  if (info.number('protocol') !== 1) throw invalidField('protocol', 'must be 1; this program knows no other');
  const counts = info.inner('counts');
  return {
    storeId: info.hex('storeId', 16),
    origin: info.hex('origin', 16),
    clusterId: info.nullable('clusterId', (name) => info.hex(name, 16)),
    instance: info.text('instance'),
    engine: info.text('engine'),
    kind: info.word('kind', ['embedded', 'shared']),
    // As a URL's authority it can have no more than a host name of 253 characters and a port.
    address: info.text('address', 262),
    state: info.word('state', filerStates),
    program: info.text('program'),
    protocol: 1,
    position: info.position('position'),
    hashes: info.byOrigin('hashes', 'must be 12 hex digits', isHash),
    floor: info.whole('floor'),
    head: info.text('head'),
    first: info.text('first'),
    // Empty while rows of a branch that was given up wait to be written again.
    digest: info.get('digest') === '' ? '' : info.hex('digest', 16),
    damage: info.nullable('damage', (name) => info.text(name, Infinity)),
    quarantined: info.texts('quarantined'),
    counts: {
      entries: counts.whole('entries'),
      directories: counts.whole('directories'),
      tombstones: counts.whole('tombstones'),
      changes: counts.whole('changes'),
      bytes: counts.whole('bytes'),
    },
    time: info.whole('time'),
    former: info.origins('former'),
    lineage: info.nullable('lineage', (name) => info.hex(name, 16)),
  };
}
