import { Flags } from '@oclif/core';
import { expect } from 'chai';
import { fromGoFlags } from '../../src/ux/hooks/preparse.js';

const flags = {
  filer: Flags.string(),
  'a.path': Flags.string(),
  watch: Flags.boolean(),
  color: Flags.boolean({ allowNo: true }),
  long: Flags.boolean({ char: 'l' }),
  concurrency: Flags.integer({ char: 'c' }),
};

describe('fromGoFlags', () => {
  const cases: [string, string[], string[]][] = [
    ['one dash and =', ['-filer=h:1'], ['--filer=h:1']],
    ['one dash and a value', ['-filer', 'h:1'], ['--filer', 'h:1']],
    ['a name with a dot', ['-a.path=/x=y'], ['--a.path=/x=y']],
    ['a switch', ['-watch'], ['--watch']],
    ['a switch set true', ['-watch=true', '--watch=1'], ['--watch', '--watch']],
    ['a switch set false', ['-watch=false', '--color=f'], ['--no-color']],
    ['colour in the words of GNU', ['--color=always', '--color=never', '-color=auto', '--watch=always'], ['--color', '--no-color', '--watch=always']],
    ['a switch set to something else', ['-watch=maybe'], ['-watch=maybe']],
    ['two dashes', ['--filer=h:1', '--watch'], ['--filer=h:1', '--watch']],
    ['short flags', ['-l', '-la'], ['-l', '-la']],
    ['short flags with =', ['-l=true', '-c=16', '-l=f'], ['--long', '--concurrency=16']],
    ['unknown flags', ['-nope=1', '--nope'], ['-nope=1', '--nope']],
    ['a value that looks like a flag', ['--filer', '-watch'], ['--filer', '-watch']],
    ['everything after --', ['-watch', '--', '-watch'], ['--watch', '--', '-watch']],
    ['a lone dash and arguments', ['-', 'file'], ['-', 'file']],
    ['a value over two lines', ['-filer=a\nb'], ['--filer=a\nb']],
  ];
  for (const [what, argv, expected] of cases) {
    it(`reads ${what}`, () => {
      expect(fromGoFlags(argv, flags)).to.deep.equal(expected);
    });
  }
});
