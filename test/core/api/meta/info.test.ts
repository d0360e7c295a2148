import { expect } from 'chai';
import fc from 'fast-check';
import { infoFromJson, infoToJson } from '../../../../src/core/api/meta/info.js';
import { versionMax } from '../../../../src/core/clock/version.js';
import { filerStates, type FilerInfo } from '../../../../src/core/replication/peer.js';
import { anyOrigin, anyPosition, anyVersion } from '../../../support/arbitrary.js';
import { refusalOf } from '../../../support/refusal-of.js';

const anyCount = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const anyText = fc.string({ unit: 'binary', maxLength: 64 });
const anyOffset = fc.stringMatching(/^[0-9a-f]{24}$/);
const anyHash = fc.stringMatching(/^[0-9a-f]{12}$/);

const anyInfo: fc.Arbitrary<FilerInfo> = fc.record({
  storeId: anyOrigin,
  origin: anyOrigin,
  clusterId: fc.option(anyOrigin),
  instance: anyText,
  engine: fc.constantFrom('sqlite', 'memory'),
  kind: fc.constantFrom('embedded', 'shared'),
  address: fc.constantFrom('127.0.0.1:8888', '[2001:db8::1]:65535', `${'h'.repeat(256)}:65535`),
  state: fc.constantFrom(...filerStates),
  program: anyText,
  protocol: fc.constant(1),
  position: anyPosition,
  hashes: fc.dictionary(anyOrigin, anyHash).map((record) => new Map(Object.entries(record))),
  floor: fc.oneof(fc.constantFrom(0, versionMax), anyVersion),
  head: anyOffset,
  first: anyOffset,
  digest: fc.oneof(fc.constant(''), anyOrigin),
  damage: fc.option(fc.string({ unit: 'binary', maxLength: 1000 })),
  quarantined: fc.array(
    anyOrigin.map((origin) => `${origin}:7`),
    { maxLength: 3 },
  ),
  counts: fc.record({ entries: anyCount, directories: anyCount, tombstones: anyCount, changes: anyCount, bytes: anyCount }, { noNullPrototype: true }),
  time: anyVersion,
  former: fc.array(anyOrigin, { maxLength: 3 }),
  lineage: fc.option(anyOrigin),
});

const overTheWire = (info: FilerInfo): Record<string, unknown> => JSON.parse(JSON.stringify(infoToJson(info))) as Record<string, unknown>;

describe('what a filer says of itself', () => {
  const [a, b] = ['a'.repeat(16), 'b'.repeat(16)];
  const info: FilerInfo = {
    storeId: a,
    origin: b,
    clusterId: a,
    instance: 'instance',
    engine: 'sqlite',
    kind: 'embedded',
    address: 'host:1',
    state: 'ready',
    program: 'kelp 1.0',
    protocol: 1,
    position: new Map([[b, 7]]),
    hashes: new Map([[b, '0123456789ab']]),
    floor: 5,
    head: '0000000100000000000000000007',
    first: '0000000100000000000000000000',
    digest: a,
    damage: 'bucket 7 differs',
    quarantined: [`${b}:7`],
    counts: { entries: 1, directories: 2, tombstones: 3, changes: 4, bytes: 5 },
    time: 6,
    former: [a],
    lineage: b,
  };

  it('is read as it was written', () => {
    fc.assert(
      fc.property(anyInfo, (one) => {
        expect(infoFromJson(overTheWire(one))).to.deep.equal(one);
      }),
    );
  });

  it('is one text for one state, however its maps were filled', () => {
    const [one, other] = [
      {
        position: new Map([
          [a, 1],
          [b, 2],
        ]),
        hashes: new Map([
          [a, '1'.repeat(12)],
          [b, '2'.repeat(12)],
        ]),
      },
      {
        position: new Map([
          [b, 2],
          [a, 1],
        ]),
        hashes: new Map([
          [b, '2'.repeat(12)],
          [a, '1'.repeat(12)],
        ]),
      },
    ];
    expect(JSON.stringify(infoToJson({ ...info, ...one }))).to.equal(JSON.stringify(infoToJson({ ...info, ...other })));
  });

  it('may hold more than this program knows, and lack what may be null', () => {
    const { clusterId: _c, damage: _d, lineage: _l, ...rest } = overTheWire(info);
    expect(infoFromJson({ ...rest, tomorrow: [1] })).to.deep.equal({ ...info, clusterId: null, damage: null, lineage: null });
  });

  it('must have every other field', () => {
    const body = overTheWire(info);
    for (const name of Object.keys(body).filter((name) => !['clusterId', 'damage', 'lineage'].includes(name))) {
      const error = refusalOf(() => infoFromJson({ ...body, [name]: undefined }));
      expect(error.code, name).to.equal('BODY_INVALID');
      expect(error.message, name).to.match(new RegExp(`^${name}: must be `));
    }
    for (const name of Object.keys(info.counts)) {
      const error = refusalOf(() => infoFromJson({ ...body, counts: { ...info.counts, [name]: undefined } }));
      expect(error.message).to.equal(`counts.${name}: must be a whole number`);
    }
  });

  it('names the field that is wrong', () => {
    const wrong: [change: object, field: string][] = [
      [{ storeId: a.toUpperCase() }, 'storeId'],
      [{ origin: a.slice(1) }, 'origin'],
      [{ clusterId: '' }, 'clusterId'],
      [{ instance: 'x'.repeat(129) }, 'instance'],
      [{ engine: 7 }, 'engine'],
      [{ kind: 'elsewhere' }, 'kind'],
      [{ address: 'h'.repeat(263) }, 'address'],
      [{ state: 'well' }, 'state'],
      [{ program: null }, 'program'],
      [{ position: { [a]: 2 ** 53 } }, `position.${a}`],
      [{ position: [] }, 'position'],
      [{ hashes: { [a]: 'x' } }, `hashes.${a}`],
      [{ hashes: { me: '0123456789ab' } }, 'hashes.me'],
      [{ floor: -1 }, 'floor'],
      [{ digest: 'abc' }, 'digest'],
      [{ damage: 7 }, 'damage'],
      [{ quarantined: [7] }, 'quarantined'],
      [{ counts: { ...info.counts, bytes: 2 ** 53 } }, 'counts.bytes'],
      [{ counts: [] }, 'counts'],
      [{ time: 0.5 }, 'time'],
      [{ former: ['me'] }, 'former'],
      [{ lineage: 'x' }, 'lineage'],
    ];
    for (const [change, field] of wrong) {
      const error = refusalOf(() => infoFromJson({ ...overTheWire(info), ...change }));
      expect(error.code, field).to.equal('BODY_INVALID');
      expect(error.message, JSON.stringify(change)).to.match(new RegExp(`^${field}: must be `));
    }
  });

  it('is refused of a filer with another protocol, which is said before anything else', () => {
    expect(refusalOf(() => infoFromJson({ protocol: 2, state: 'new word' })).message).to.equal('protocol: must be 1; this program knows no other');
    for (const other of [null, [], 'x']) expect(refusalOf(() => infoFromJson(other)).message).to.equal('the body: must be a JSON object');
  });
});
