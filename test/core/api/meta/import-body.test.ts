import { expect } from 'chai';
import fc from 'fast-check';
import { decodeImport, importFromJson, importToJson, planFromJson } from '../../../../src/core/api/meta/import-body.js';
import { encodeImported, type ImportedChange } from '../../../../src/core/change/imported.js';
import { anyChange, anyOrigin } from '../../../support/arbitrary.js';
import { refusalOf } from '../../../support/refusal-of.js';

const decode = (body: string | Buffer, changesMax = 1000) => decodeImport(Buffer.from(body), changesMax);

const author = 'a'.repeat(16);
const change = (name: string, replication: object = {}) => ({
  directory: '/in',
  eventNotification: { newEntry: { name, isDirectory: false } },
  replication: { version: 7, author, vector: { [author]: 7 }, ...replication },
});
const line = (name: string) => JSON.stringify(change(name));
const names = (body: string | Buffer, changesMax?: number) => decode(body, changesMax).changes.map(({ newPath }) => newPath);
/** As SeaweedFS prints an event that concerns no entry. */
const silent = '{"directory":"/in","eventNotification":{},"tsNs":"1763763267123456789"}';

const anyImported: fc.Arbitrary<ImportedChange> = anyChange.map(
  ({ version, author, oldPath, newPath, newEntry, isDirectory, vector, oldVector, clusters }) => ({
    ...{ version, author, oldPath, newPath, newEntry, isDirectory, vector, oldVector, clusters },
    oldEntry: null,
  }),
);

describe('the body of an import', () => {
  it('gives the changes that were written, one a line or in an array', () => {
    fc.assert(
      fc.property(fc.array(anyImported, { maxLength: 3 }), (changes) => {
        const lines = changes.map(encodeImported);
        for (const body of [lines.join('\n'), `[${lines.join(',')}]`]) {
          const read = decode(body);
          expect(read.changes.map((one) => ({ ...one, oldEntry: null }))).to.deep.equal(changes);
          expect(read.empty).to.equal(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('may have blank lines, ends of lines as Windows has them, a byte order mark, an array over many lines, or nothing', () => {
    for (const body of [
      `\n\n${line('a')}\n  \n${line('b')}\n\n`,
      `${line('a')}\r\n${line('b')}\r\n`,
      `\ufeff${line('a')}\n${line('b')}`,
      JSON.stringify([change('a'), change('b')], null, 2),
      ` [ ${line('a')},\n${line('b')} ]\n`,
    ])
      expect(names(body), body).to.deep.equal(['/in/a', '/in/b']);
    for (const body of ['', ' \n\r\n', '[]', '[ ]\n']) expect(decode(body), JSON.stringify(body)).to.deep.equal({ changes: [], empty: 0 });
  });

  it('keeps names of any alphabet, and integers beyond 2^53 as text', () => {
    const entry = { name: '日😀', isDirectory: false, attributes: { fileSize: '9007199254740993' } };
    const [read] = decode(JSON.stringify({ ...change(''), eventNotification: { newEntry: entry } })).changes;
    expect([read?.newPath, read?.newEntry]).to.deep.equal(['/in/日😀', '{"attributes":{"fileSize":"9007199254740993"},"isDirectory":false,"name":"日😀"}']);
  });

  it('counts the events of SeaweedFS that say nothing, and leaves them out', () => {
    expect(decode([silent, line('a'), silent].join('\n')))
      .to.deep.include({ empty: 2 })
      .and.to.have.property('changes')
      .with.length(1);
  });

  it('names the change that is wrong by its place, and its field', () => {
    const wrong: [value: unknown, message: RegExp][] = [
      [change('b', { author: 'me' }), /^changes\[1\]\.replication\.author: /],
      [change('b', { version: 0 }), /^changes\[1\]\.replication\.version: /],
      [change('b', { version: 2 ** 53 }), /^changes\[1\]\.replication\.version: /],
      [change('b', { vector: { [author]: 6 } }), /^changes\[1\]\.replication\.vector: /],
      [change('b/c'), /^changes\[1\]\.newEntry/],
      [{ ...change('b'), directory: 'in' }, /^changes\[1\]\.newEntry/],
      [{ ...change('b'), eventNotification: {} }, /^changes\[1\]\.eventNotification: /],
      [7, /^changes\[1\]: /],
      [null, /^changes\[1\]: /],
      [[], /^changes\[1\]: /],
    ];
    for (const [value, message] of wrong) {
      for (const body of [`${line('a')}\n\n${JSON.stringify(value)}`, JSON.stringify([change('a'), value])]) {
        const error = refusalOf(() => decode(body));
        expect(error.code, body).to.equal('BODY_INVALID');
        expect(error.message).to.match(message);
      }
    }
  });

  it('that broke off is refused wherever it was cut inside a change', () => {
    const array = `[${line('ü')}]`;
    for (let end = 1; end < array.length; end++)
      expect(refusalOf(() => decode(array.slice(0, end))).message, array.slice(0, end)).to.match(/^the body is not JSON/);
    for (let end = 1; end < line('b').length; end++) {
      const error = refusalOf(() => decode(`${line('a')}\n${line('b').slice(0, end)}`));
      expect(error).to.deep.include({ code: 'BODY_INVALID', fields: { field: 'changes[1]' } });
      expect(error.message).to.match(/; send an array, or one change a line$/);
    }
    // In the middle of a character.
    const bytes = Buffer.from(line('ü'));
    expect(refusalOf(() => decode(bytes.subarray(0, bytes.indexOf('ü') + 1))).message).to.equal('the body is not valid UTF-8');
  });

  it('holds as many changes as are allowed; with more it is not even read', () => {
    expect(names(`${line('a')}\n${line('b')}`, 2)).to.deep.equal(['/in/a', '/in/b']);
    for (const body of [`${line('a')}\n${line('b')}\n${line('c')}`, `[${line('a')},${line('b')},${line('c')}]`, `{\n{\n{`, `[${silent},${silent},${silent}]`]) {
      const error = refusalOf(() => decode(body, 2));
      expect(error, body).to.deep.include({ code: 'BODY_TOO_LARGE', fields: { limit: 2 } });
      expect(error.message).to.equal('the body holds 3 changes, more than 2; send them in several requests');
    }
  });
});

/** Every number of `body` replaced by something that is none, one after another. */
function* spoilt(body: object): Generator<[body: unknown, field: string]> {
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'object') for (const [inner, field] of spoilt(value as object)) yield [{ ...body, [name]: inner }, `${name}.${field}`];
    else for (const other of [-1, 0.5, 2 ** 53, null, undefined, [7]]) yield [{ ...body, [name]: other }, name];
  }
}

function expectEachNamed(body: object, read: (body: unknown) => unknown): void {
  for (const [wrong, field] of spoilt(body)) {
    const error = refusalOf(() => read(wrong));
    expect(error, JSON.stringify(wrong)).to.deep.include({ code: 'BODY_INVALID', fields: { field } });
    expect(error.message.startsWith(`${field}: must be `), error.message).to.equal(true);
  }
  expect(refusalOf(() => read([])).message).to.match(/^the body: /);
}

describe('the answer to an import', () => {
  const anyCount = fc.nat({ max: 1e9 });
  const anyResult = fc.record({
    applied: anyCount,
    superseded: anyCount,
    unchanged: anyCount,
    conflicting: anyCount,
    quarantined: anyCount,
    position: fc.record({ origin: anyOrigin, seq: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }),
  });

  it('is read as it was written; what said nothing counts as unchanged', () => {
    fc.assert(
      fc.property(anyResult, anyCount, (result, empty) => {
        const read = importFromJson(JSON.parse(JSON.stringify(importToJson(result, empty))));
        expect(read).to.deep.equal({
          ...result,
          unchanged: result.unchanged + empty,
          position: `${result.position.origin}:${result.position.seq}`,
        });
      }),
    );
  });

  it('names the field that is wrong', () => {
    expectEachNamed({ applied: 1, superseded: 2, unchanged: 3, conflicting: 4, quarantined: 5, position: `${author}:6` }, importFromJson);
  });
});

describe('the plan of an import', () => {
  const counts = { creates: 1, updates: 2, deletes: 3, renames: 4, conflicts: 5 };
  const plan = { ...counts, superseded: 6, unchanged: 7, bytes: { creates: 8, updates: 9, deletes: 10, renames: 11, conflicts: 12 } };

  it('is read as it was written, whatever a later filer adds', () => {
    expect(planFromJson({ ...plan, more: 1, bytes: { ...plan.bytes, more: 1 } })).to.deep.equal(plan);
  });

  it('names the field that is wrong, those of bytes too', () => {
    expectEachNamed(plan, planFromJson);
    expect(refusalOf(() => planFromJson({ ...plan, bytes: 7 })).message).to.equal('bytes: must be a JSON object');
  });
});
