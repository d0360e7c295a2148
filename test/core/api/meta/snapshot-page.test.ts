import { expect } from 'chai';
import fc from 'fast-check';
import { decodeSnapshotPage, encodeSnapshotPage, formatAfter, parseAfter } from '../../../../src/core/api/meta/snapshot-page.js';
import { rowsOf, type Change } from '../../../../src/core/change/change.js';
import { contentHash, entryDigest } from '../../../../src/core/change/digest.js';
import { versionMax } from '../../../../src/core/clock/version.js';
import type { FullPath } from '../../../../src/core/entry/path.js';
import type { SnapshotPage } from '../../../../src/core/replication/peer.js';
import { anyChange, anyOrigin, anyPathBelowRoot, anyPosition } from '../../../support/arbitrary.js';
import { refusalOf } from '../../../support/refusal-of.js';

describe('a page of a snapshot', () => {
  const empty: SnapshotPage = {
    position: new Map(),
    hashes: new Map(),
    versions: new Map(),
    runs: new Map(),
    floor: 0,
    closed: [],
    quarantined: [],
    aside: [],
    rows: [],
    epoch: '0123abcd',
    next: null,
  };
  const anyRun = fc.record({ seq: fc.integer({ min: 1, max: 2 ** 52 }), hash: fc.stringMatching(/^[0-9a-f]{12}$/) }, { noNullPrototype: true });
  const anyRuns = fc
    .dictionary(anyOrigin, fc.uniqueArray(anyRun, { selector: ({ seq }) => seq, maxLength: 4 }))
    .map((record) => new Map(Object.entries(record).map(([origin, runs]) => [origin, runs.toSorted((a, b) => a.seq - b.seq)])));
  const anyRows = fc.array(anyChange, { maxLength: 6 }).map((changes) => changes.flatMap((change) => rowsOf(change as Change)));

  const anyDots = fc.array(fc.record({ origin: anyOrigin, seq: fc.integer({ min: 1, max: 2 ** 52 }) }, { noNullPrototype: true }), { maxLength: 3 });

  it('gives back every row with hashes made anew', () => {
    fc.assert(
      fc.property(anyRows, anyPosition, anyRuns, fc.option(anyPathBelowRoot), anyDots, (rows, position, runs, next, dots) => {
        const hashes = new Map([...position.keys()].map((origin) => [origin, 'abcdef012345']));
        const versions = new Map([...position.keys()].map((origin) => [origin, 0]));
        const page: SnapshotPage = { ...empty, rows, position, hashes, versions, runs, next, floor: 17, aside: dots };
        expect(decodeSnapshotPage(encodeSnapshotPage(page), 'x')).to.deep.equal(page);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps integers beyond 2^53, which are text, and the greatest versions and numbers that are none', () => {
    const path = '/d/größe' as FullPath;
    const entry = '{"attributes":{"fileSize":"9007199254740993"},"isDirectory":false,"name":"größe"}';
    const [origin, version, hash] = ['1'.repeat(16), versionMax, contentHash(entry)];
    const h = entryDigest(path, version, origin, hash);
    const dot = { origin, seq: Number.MAX_SAFE_INTEGER };
    const row = { path, entry, isDirectory: false, version, author: origin, vector: { [origin]: version }, dot, contentHash: hash, h };
    expect(decodeSnapshotPage(encodeSnapshotPage({ ...empty, rows: [row] }), 'x').rows).to.deep.equal([row]);
  });

  it('that broke off is no page, wherever it was cut, and the failure names who sent it', () => {
    const whole = encodeSnapshotPage({ ...empty, quarantined: ['{"a":"}"}'], next: '/a' as FullPath });
    for (let end = 0; end < whole.length; end++)
      expect(
        refusalOf(() => decodeSnapshotPage(whole.slice(0, end), 'host:1')),
        whole.slice(0, end),
      ).to.deep.include({
        code: 'PEER_UNREACHABLE',
        fields: { peer: 'host:1' },
      });
    for (const other of ['[]', 'null', '"x"', '1'])
      expect(
        refusalOf(() => decodeSnapshotPage(other, 'x')),
        other,
      ).to.deep.include({ code: 'BODY_INVALID', fields: { field: 'the body' } });
  });

  it('names the field that is wrong', () => {
    const row = {
      directory: '/d',
      name: 'f',
      entry: { name: 'f', isDirectory: false },
      dot: '1111111111111111:1',
      version: 5,
      author: '1111111111111111',
      vector: { '1111111111111111': 5 },
    };
    const wrong: [change: object, field: string][] = [
      [{ directory: 'd' }, 'directory'],
      [{ directory: '/d/' }, 'directory'],
      [{ directory: '/a/../d' }, 'directory'],
      [{ name: '' }, 'name'],
      [{ name: 'a/b' }, 'name'],
      [{ name: '..' }, 'name'],
      [{ name: 'other' }, 'entry.name'],
      [{ entry: undefined }, 'entries[0]'],
      [{ deleted: true }, 'deleted'],
      [{ entry: { name: 'f', isDirectory: 'no' } }, 'entry.isDirectory'],
      [{ entry: { name: 'f', isDirectory: false, content: 5 } }, 'entry.content'],
      [{ dot: '1111111111111111' }, 'dot'],
      [{ dot: '1111111111111111:0' }, 'dot'],
      [{ dot: '1111111111111111:9007199254740993' }, 'dot'],
      [{ dot: undefined }, 'dot'],
      [{ version: 0 }, 'version'],
      [{ version: versionMax + 1 }, 'version'],
      [{ version: '5' }, 'version'],
      [{ version: 6 }, 'vector'],
      [{ author: 'me' }, 'author'],
      [{ vector: { me: 5 } }, 'vector'],
      [{ vector: null }, 'vector'],
    ];
    for (const [change, field] of wrong) {
      const body = JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), entries: [{ ...row, ...change }] });
      const error = refusalOf(() => decodeSnapshotPage(body, 'x'));
      expect(error.code).to.equal('BODY_INVALID');
      expect(error.message, JSON.stringify(change))
        .to.include(field)
        .and.to.match(/^entries\[0\]/);
    }
    for (const field of ['position', 'hashes', 'versions', 'runs', 'floor', 'closed', 'quarantined', 'aside', 'epoch', 'entries', 'next']) {
      const body = JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), [field]: 'x' });
      expect(refusalOf(() => decodeSnapshotPage(body, 'x')).message).to.match(new RegExp(`^${field}`));
    }
  });

  it('goes on after any path, and takes nothing for one that it did not give', () => {
    fc.assert(fc.property(anyPathBelowRoot, (path) => parseAfter(formatAfter(path)) === path));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), anyPathBelowRoot), (text) => {
        const path = parseAfter(text);
        return path === null || formatAfter(path) === text;
      }),
    );
    for (const text of ['', '!', '/a', formatAfter('/a/../b' as FullPath), formatAfter('/a/' as FullPath), `${formatAfter('/a' as FullPath)}=`])
      expect(parseAfter(text), text).to.equal(null);
  });
});
