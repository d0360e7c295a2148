import { expect } from 'chai';
import { parseNamePattern } from '../../../../src/core/api/filer/name-pattern.js';

describe('a name pattern', () => {
  const cases: [pattern: string, name: string, matches: boolean][] = [
    ['a.txt', 'a.txt', true],
    ['a.txt', 'a_txt', false],
    ['*', '', true],
    ['*', '.hidden', true],
    ['*.txt', 'a.txt', true],
    ['*.txt', 'a.txt.bak', false],
    ['**b', 'aab', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
    ['a*b', 'ab', true],
    ['*a', 'aba', true],
    ['?', 'ü', true],
    ['?', '😀', true],
    ['?', 'ab', false],
    ['?', '', false],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[^a-c]x', 'dx', true],
    ['[^a-c]x', 'ax', false],
    ['[a\\-c]', '-', true],
    ['[\\]]', ']', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['A*', 'a', false],
    // What other globs take for more than itself.
    ['report (1)*', 'report (1).pdf', true],
    ['{a,b}', 'a', false],
    ['!a', '!a', true],
    ['+(a)', 'aa', false],
    ['a.', 'ab', false],
  ];
  for (const [pattern, name, matches] of cases) {
    it(`"${pattern}" ${matches ? 'matches' : 'does not match'} "${name}"`, () => {
      expect(parseNamePattern(pattern)?.matches(name)).to.equal(matches);
    });
  }

  for (const pattern of ['[', '[]', '[a', '[a-', '[a-]', '[-a]', '[^]', 'a\\', '[\\']) {
    it(`"${pattern}" is malformed, as it is for Go`, () => {
      expect(parseNamePattern(pattern)).to.equal(null);
    });
  }

  for (const [pattern, prefix] of [
    ['abc*', 'abc'],
    ['a?c', 'a'],
    ['a[bc]', 'a'],
    ['a[b]c*', 'abc'],
    ['\\*x*', '*x'],
    ['plain', 'plain'],
    ['*x', ''],
  ]) {
    it(`"${pattern}" narrows a listing to names that start with "${prefix}"`, () => {
      expect(parseNamePattern(pattern)?.prefix).to.equal(prefix);
    });
  }

  it('takes no longer than pattern times name, however many stars it has', () => {
    const started = performance.now();
    expect(parseNamePattern(`${'*a'.repeat(100)}*b`)?.matches('a'.repeat(255))).to.equal(false);
    expect(performance.now() - started).to.be.below(1000);
  });
});
