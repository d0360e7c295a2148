import { expect } from 'chai';
import fc from 'fast-check';
import { encodeChangePage } from '../../../../src/core/change/page.js';
import { decodeChangeLines, decodeChangePage, textsOf } from '../../../../src/core/api/meta/change-page.js';
import { decodeSnapshotPage, encodeSnapshotPage, formatAfter, parseAfter } from '../../../../src/core/api/meta/snapshot-page.js';
import { encodeChange } from '../../../../src/core/change/codec.js';
import { rowsOf, type Change } from '../../../../src/core/change/change.js';
import { limits } from '../../../../src/core/config/limits.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { SnapshotPage } from '../../../../src/core/replication/peer.js';
import { anyChange, anyOrigin, anyPathBelowRoot, anyPosition } from '../../../support/arbitrary.js';

const failure = (run: () => unknown): FilerError => {
  try {
    run();
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
  throw new Error('was taken');
};

const notes = { oldEntry: null, deleteChunks: false, signatures: ['1111111111111111'] };
const anyText = anyChange.map((change) => encodeChange(change, notes));

/** As a socket gives it. */
function piecesOf(text: string, size: number): Buffer[] {
  const body = Buffer.from(text);
  return Array.from({ length: Math.ceil(body.length / size) }, (_, index) => Buffer.from(body.subarray(index * size, (index + 1) * size)));
}

describe('a page of changes', () => {
  it('gives back the text of each change as it went in', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), (texts) => {
        const page = encodeChangePage(texts);
        expect(decodeChangePage(page, 'x')).to.deep.equal(texts);
      }),
    );
  });

  it('is read as lines in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (texts, size) => {
        const lines = decodeChangeLines(piecesOf(encodeChangePage(texts), size), 'x');
        expect(Buffer.concat(lines.pieces).toString()).to.equal(texts.map((text) => `${text}\n`).join(''));
        expect(lines.count).to.equal(texts.length);
        expect(textsOf(lines)).to.deep.equal(texts);
      }),
    );
    const page = encodeChangePage(['{"a":"]"}', '{"b":[1]}']);
    for (let size = 1; size < page.length; size++)
      expect(textsOf(decodeChangeLines(piecesOf(page, size), 'x')), String(size)).to.deep.equal(['{"a":"]"}', '{"b":[1]}']);
  });

  it('is read in any other form of JSON too', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), fc.constantFrom(undefined, 1, 2), (texts, indent) => {
        const values = texts.map((text) => JSON.parse(text) as unknown);
        const pretty = JSON.stringify(values, null, indent);
        expect(decodeChangePage(pretty, 'x').map((text) => JSON.parse(text) as unknown)).to.deep.equal(values);
        expect(textsOf(decodeChangeLines(piecesOf(pretty, 100), 'x'))).to.deep.equal(decodeChangePage(pretty, 'x'));
      }),
    );
  });

  it('that broke off is no page, wherever it was cut', () => {
    const whole = encodeChangePage(['{"a":"]"}', '{"b":[1]}']);
    for (let end = 0; end < whole.length; end++)
      for (const decode of [decodeChangePage, (text: string, from: string) => decodeChangeLines(piecesOf(text, 7), from)])
        expect(failure(() => decode(whole.slice(0, end), 'x')).code, whole.slice(0, end)).to.equal('PEER_UNREACHABLE');
  });

  it('holds objects only', () => {
    expect(failure(() => decodeChangePage('[1]', 'x')).message).to.include('changes[0]');
  });
});

describe('a page of a snapshot', () => {
  const empty: SnapshotPage = {
    position: new Map(),
    hashes: new Map(),
    versions: new Map(),
    runs: new Map(),
    floor: 0,
    closed: [],
    quarantined: [],
    rows: [],
    epoch: '0123abcd',
    next: null,
  };
  const anyRun = fc.record({ seq: fc.integer({ min: 1, max: 2 ** 52 }), hash: fc.stringMatching(/^[0-9a-f]{12}$/) }, { noNullPrototype: true });
  const anyRuns = fc
    .dictionary(anyOrigin, fc.uniqueArray(anyRun, { selector: ({ seq }) => seq, maxLength: 4 }))
    .map((record) => new Map(Object.entries(record).map(([origin, runs]) => [origin, runs.toSorted((a, b) => a.seq - b.seq)])));
  const anyRows = fc.array(anyChange, { maxLength: 6 }).map((changes) => changes.flatMap((change) => rowsOf(change as Change)));

  it('gives back every row with hashes made anew', () => {
    fc.assert(
      fc.property(anyRows, anyPosition, anyRuns, fc.option(anyPathBelowRoot), (rows, position, runs, next) => {
        const hashes = new Map([...position.keys()].map((origin) => [origin, 'abcdef012345']));
        const versions = new Map([...position.keys()].map((origin) => [origin, 0]));
        const page: SnapshotPage = { ...empty, rows, position, hashes, versions, runs, next, floor: 17 };
        expect(decodeSnapshotPage(encodeSnapshotPage(page), 'x')).to.deep.equal(page);
      }),
    );
  });

  it('that broke off is no page', () => {
    const whole = encodeSnapshotPage(empty);
    expect(failure(() => decodeSnapshotPage(whole.slice(0, -1), 'x')).code).to.equal('PEER_UNREACHABLE');
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
      [{ dot: undefined }, 'dot'],
      [{ version: 0 }, 'version'],
      [{ version: 2 ** 53 }, 'version'],
      [{ version: 6 }, 'vector'],
      [{ author: 'me' }, 'author'],
      [{ vector: { me: 5 } }, 'vector'],
      [{ vector: null }, 'vector'],
    ];
    for (const [change, field] of wrong) {
      const body = JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), entries: [{ ...row, ...change }] });
      const error = failure(() => decodeSnapshotPage(body, 'x'));
      expect(error.code).to.equal('BODY_INVALID');
      expect(error.message, JSON.stringify(change))
        .to.include(field)
        .and.to.match(/^entries\[0\]/);
    }
    for (const field of ['position', 'hashes', 'versions', 'runs', 'floor', 'closed', 'quarantined', 'epoch', 'entries']) {
      const body = JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), [field]: 'x' });
      expect(failure(() => decodeSnapshotPage(body, 'x')).message).to.match(new RegExp(`^${field}`));
    }
  });

  it('has runs in the order of seq, no more than are kept', () => {
    const origin = '1'.repeat(16);
    const hash = 'abcdef012345';
    const many = (count: number) => Array.from({ length: count }, (_, i) => ({ seq: i + 1, hash }));
    const read = (runs: unknown) => decodeSnapshotPage(JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), runs: { [origin]: runs } }), 'x');
    expect(read(many(limits.runsMax)).runs.get(origin)).to.have.length(limits.runsMax);
    const two = (a: number, b: number) => [a, b].map((seq) => ({ seq, hash }));
    const wrong = [
      many(limits.runsMax + 1),
      two(2, 1),
      two(2, 2),
      [{ seq: 0, hash }],
      [{ seq: 1.5, hash }],
      [{ seq: '1', hash }],
      [{ seq: 1, hash: 'ABCDEF012345' }],
      [{ seq: 1 }],
      [null],
      [1],
      {},
      'x',
      null,
    ];
    for (const runs of wrong) {
      const error = failure(() => read(runs));
      expect([error.code, error.message.startsWith('runs')], JSON.stringify(runs)).to.deep.equal(['BODY_INVALID', true]);
    }
    expect(failure(() => decodeSnapshotPage(JSON.stringify({ ...JSON.parse(encodeSnapshotPage(empty)), runs: { me: [] } }), 'x')).message).to.match(/^runs/);
  });

  it('goes on after any path', () => {
    fc.assert(fc.property(anyPathBelowRoot, (path) => parseAfter(formatAfter(path)) === path));
    expect(parseAfter('!')).to.equal(null);
    expect(parseAfter('/a')).to.equal(null);
  });
});
