import { expect } from 'chai';
import fc from 'fast-check';
import { limits } from '../../../src/core/config/limits.js';
import { canonicalJson } from '../../../src/core/change/canonical.js';
import { codeOf } from '../../support/open-log.js';

/** The plain way: keys sorted by UTF-16 units, but integer-like ones first and by number. */
function reference(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(reference).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isIndex = (key: string) => /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;
  const keys = Object.keys(value).sort((a, b) => Number(isIndex(b)) - Number(isIndex(a)) || (isIndex(a) ? Number(a) - Number(b) : a < b ? -1 : 1));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${reference((value as Record<string, unknown>)[key])}`).join(',')}}`;
}

/** The same value with the keys of every object in another order. */
function permuted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(permuted);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(value).reverse()) copy[key] = permuted((value as Record<string, unknown>)[key]);
  return copy;
}

describe('canonicalJson', () => {
  it('sorts keys at every depth', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).to.equal('{"a":null,"b":[{"c":2,"d":1}]}');
  });

  it('sorts by UTF-16 units', () => {
    expect(canonicalJson({ '\ue000': 1, '😀': 2, é: 3, Z: 4, a: 5 })).to.equal('{"Z":4,"a":5,"é":3,"😀":2,"\ue000":1}');
  });

  it('is the same text for permuted keys', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(permuted(value)) === canonicalJson(value)));
  });

  it('is what the plain way gives', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(value) === reference(JSON.parse(JSON.stringify(value)))));
  });

  it('does not change when it is read and written again', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(JSON.parse(canonicalJson(value))) === canonicalJson(value)));
  });

  it('keeps keys that mean something to JavaScript', () => {
    const text = '{"__proto__":{"b":1,"a":2},"constructor":1,"10":1,"9":2,"":3}';
    expect(canonicalJson(JSON.parse(text))).to.equal('{"9":2,"10":1,"":3,"__proto__":{"a":2,"b":1},"constructor":1}');
  });

  it('refuses what is nested too deep to be walked', async () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : depth % 2 ? { b: nested(depth - 1), a: 1 } : [nested(depth - 1)]);
    expect(JSON.parse(canonicalJson(nested(limits.jsonDepthMax)))).to.deep.equal(nested(limits.jsonDepthMax));
    expect(await codeOf(() => canonicalJson(nested(limits.jsonDepthMax + 1)))).to.equal('BODY_INVALID');
  });

  it('writes numbers as JavaScript does', () => {
    expect(canonicalJson(JSON.parse('[1.0,1e3,-0,1e21,0.1]'))).to.equal('[1,1000,0,1e+21,0.1]');
  });
});
