import { expect } from 'chai';
import fc from 'fast-check';
import { Fields, listOf, objectOf } from '../../../../src/core/api/meta/fields.js';
import { limits } from '../../../../src/core/config/limits.js';
import type { FilerError } from '../../../../src/core/errors.js';
import { refusalOf } from '../../../support/refusal-of.js';

const [one, two] = ['1'.repeat(16), 'aaaaaaaaaaaaaaaa'];
const hash = 'abcdef012345';

const runs = (count: number) => Array.from({ length: count }, (_, i) => ({ seq: i + 1, hash }));
const twoRuns = (a: number, b: number) => [a, b].map((seq) => ({ seq, hash }));
const isSmall = (value: unknown): value is number => typeof value === 'number' && value < 10;

interface Case {
  readonly read: (fields: Fields, name: string) => unknown;
  readonly rule: string;
  /** As JSON has it, and what comes of it if that is something else. */
  readonly good: readonly (readonly [value: unknown, read?: unknown])[];
  readonly bad: readonly unknown[];
}

const cases: Record<string, Case> = {
  text: {
    read: (fields, name) => fields.text(name),
    rule: `must be a text of at most ${limits.nameCharsMax} characters`,
    good: [[''], ['a b'], ['日😀\n'], ['x'.repeat(limits.nameCharsMax)]],
    bad: ['x'.repeat(limits.nameCharsMax + 1), 1, null, undefined, ['x'], { x: 1 }, true],
  },
  'text of any length': {
    read: (fields, name) => fields.text(name, Infinity),
    rule: 'must be a text',
    good: [[''], ['x'.repeat(100_000)]],
    bad: [1, null, undefined, ['x']],
  },
  hex: {
    read: (fields, name) => fields.hex(name, 4),
    rule: 'must be 4 lower-case hex digits',
    good: [['0af9']],
    bad: ['0AF9', '0af', '0af90', '0afg', '0af\n', '', 1234, null, undefined],
  },
  word: {
    read: (fields, name) => fields.word(name, ['up', 'down']),
    rule: 'must be up or down',
    good: [['up'], ['down']],
    bad: ['Up', 'up ', '', ['up'], null, undefined],
  },
  boolean: {
    read: (fields, name) => fields.boolean(name),
    rule: 'must be true or false',
    good: [[true], [false]],
    bad: ['true', 1, 0, null, undefined],
  },
  number: {
    read: (fields, name) => fields.number(name),
    rule: 'must be a number',
    good: [[0], [-1.5], [1e300]],
    bad: ['1', null, undefined, [1], Infinity, NaN],
  },
  'whole number': {
    read: (fields, name) => fields.whole(name),
    rule: 'must be a whole number',
    good: [[0], [Number.MAX_SAFE_INTEGER]],
    bad: [-1, 0.5, 2 ** 53, '1', null, undefined, Infinity],
  },
  'text or null': {
    read: (fields, name) => fields.nullable(name, (of) => fields.text(of, 3)),
    rule: 'must be a text of at most 3 characters',
    good: [['abc'], [''], [null], [undefined, null]],
    bad: ['abcd', 0, false, []],
  },
  'list of origins': {
    read: (fields, name) => fields.origins(name),
    rule: 'must be a list of 16 hex digits each',
    good: [[[]], [[one, two]]],
    bad: [[one, 'A'.repeat(16)], [null], [[one]]],
  },
  'list of texts': {
    read: (fields, name) => fields.texts(name),
    rule: 'must be a list of texts',
    good: [[[]], [['', 'ü']]],
    bad: [['a', 1], [null], [['a']]],
  },
};

describe('fields of a body', () => {
  for (const [name, { read, rule, good, bad }] of Object.entries(cases)) {
    it(`gives a ${name}, and refuses anything else by the name of the field`, () => {
      for (const [value, expected = value] of good) expect(read(new Fields({ f: value }), 'f'), JSON.stringify(value)).to.deep.equal(expected);
      for (const value of bad) {
        const error = refusalOf(() => read(new Fields({ f: value }, 'peers[3].'), 'f'));
        expect(error, JSON.stringify(value)).to.deep.include({ code: 'BODY_INVALID', message: `peers[3].f: ${rule}`, fields: { field: 'peers[3].f' } });
      }
    });
  }

  it('fails in no other way, whatever stands there', () => {
    const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(undefined, one, { [one]: 1 }, { __proto__: null }, [{ seq: 1, hash }]));
    const readers: Case['read'][] = [
      ...Object.values(cases).map(({ read }) => read),
      (fields, name) => fields.position(name),
      (fields, name) => fields.byOrigin(name, 'must be small', isSmall),
      (fields, name) => fields.inner(name),
      (fields, name) => fields.list(name),
      (fields, name) => fields.runs(name),
    ];
    fc.assert(
      fc.property(anything, fc.constantFrom(...readers), (value, read) => {
        try {
          read(new Fields({ field: value }), 'field');
        } catch (error) {
          expect((error as FilerError).code, String(error)).to.equal('BODY_INVALID');
          expect((error as FilerError).message).to.match(/^field/);
        }
      }),
    );
  });

  it('gives what is kept by origin, and names the origin that is wrong', () => {
    const read = (value: unknown) => new Fields({ m: value }, 'a.').byOrigin('m', 'must be small', isSmall);
    expect(read({ [two]: 2, [one]: 1 })).to.deep.equal(
      new Map([
        [one, 1],
        [two, 2],
      ]),
    );
    expect(refusalOf(() => read({ [one]: 1, [two]: 10 })).message).to.equal(`a.m.${two}: must be small`);
    expect(refusalOf(() => read({ me: 1 })).message).to.equal('a.m.me: must be small');
    expect(refusalOf(() => read({ ['x'.repeat(1000)]: 1 })).message).to.equal(`a.m.${'x'.repeat(20)}: must be small`);
    for (const other of [[], null, undefined, 'x', 1]) expect(refusalOf(() => read(other)).message).to.equal('a.m: must be a JSON object');
  });

  it('gives a position, and names the origin that is wrong', () => {
    const read = (value: unknown) => new Fields({ p: value }, 'a.').position('p');
    expect(read({ [one]: 0, [two]: Number.MAX_SAFE_INTEGER })).to.deep.equal(
      new Map([
        [one, 0],
        [two, Number.MAX_SAFE_INTEGER],
      ]),
    );
    for (const seq of [-1, 0.5, 2 ** 53, '1', null])
      expect(refusalOf(() => read({ [one]: seq })).message, String(seq)).to.match(new RegExp(`^a\\.p\\.${one}: `));
    expect(refusalOf(() => read({ me: 1 })).message).to.match(/^a\.p\.me: /);
    expect(refusalOf(() => read([])).message).to.match(/^a\.p: /);
  });

  it('takes runs in the order of seq only, no more than are kept', () => {
    const read = (value: unknown) => new Fields({ runs: value }).runs('runs');
    for (const list of [[], runs(limits.runsMax), twoRuns(1, Number.MAX_SAFE_INTEGER)]) expect(read({ [one]: list })).to.deep.equal(new Map([[one, list]]));
    expect(read({})).to.deep.equal(new Map());
    const rule = `must be at most ${limits.runsMax} runs, each with seq and hash, in the order of seq`;
    const wrong = [
      runs(limits.runsMax + 1),
      twoRuns(2, 1),
      twoRuns(2, 2),
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
    for (const list of wrong) {
      expect(refusalOf(() => read({ [one]: list })).message, JSON.stringify(list)).to.equal(`runs.${one}: ${rule}`);
    }
    expect(refusalOf(() => read({ me: [] })).message).to.equal(`runs.me: ${rule}`);
  });

  it('names fields inside by the way that leads there', () => {
    const body = new Fields({ counts: { entries: -1 }, peers: [{ at: { seq: 1 } }, { at: { seq: 'x' } }, 7] });
    expect(refusalOf(() => body.inner('counts').whole('entries')).message).to.match(/^counts\.entries: /);
    expect(refusalOf(() => body.list('peers')).message).to.equal('peers[2]: must be a JSON object');
    const peers = new Fields({ peers: [{ at: { seq: 1 } }, { at: { seq: 'x' } }] }).list('peers');
    expect(peers[0]?.inner('at').whole('seq')).to.equal(1);
    expect(refusalOf(() => peers[1]?.inner('at').whole('seq')).message).to.match(/^peers\[1\]\.at\.seq: /);
    expect(refusalOf(() => body.list('counts')).message).to.equal('counts: must be a list');
    expect(refusalOf(() => body.inner('none')).message).to.equal('none: must be a JSON object');
  });

  it('are those of an object', () => {
    for (const other of [null, undefined, [], 'x', 1, true]) {
      expect(refusalOf(() => new Fields(other)).message).to.equal('the body: must be a JSON object');
      expect(refusalOf(() => objectOf(other, 'a')).message).to.equal('a: must be a JSON object');
    }
    for (const other of [null, undefined, {}, 'x', 1]) expect(refusalOf(() => listOf(other, 'a')).message).to.equal('a: must be a list');
    expect([objectOf({ a: 1 }, 'a'), listOf([1], 'a')]).to.deep.equal([{ a: 1 }, [1]]);
  });
});
