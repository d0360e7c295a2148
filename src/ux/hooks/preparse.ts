import type { Hook } from '@oclif/core';

type Flags = Parameters<Hook.Preparse>[0]['options']['flags'];

/**
 * Turns Go's way of writing flags into ours: `-filer=x` and `-filer x` into `--filer=x` and `--filer x`, `-watch=false` into
 * `--no-watch` or nothing; `--color` takes the words of GNU's programs too. Arguments after `--` and values of flags are left alone.
 */
export function fromGoFlags(argv: readonly string[], flags: Flags = {}): string[] {
  const result: string[] = [];
  const names = Object.keys(flags);
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') return [...result, ...argv.slice(index)];
    const [, written = '', value] = /^--?([a-zA-Z][\w.]*)(?:=([^]*))?$/.exec(word) ?? [];
    // A single letter without "=" is left to the parser, which takes several at once too.
    const name = flags[written] || value === undefined || word.startsWith('--') ? written : (names.find((each) => flags[each]?.char === written) ?? written);
    const flag = flags[name];
    if (!flag) {
      result.push(word);
    } else if (flag.type === 'boolean' && value !== undefined) {
      const isColour = name === 'color';
      if (/^(1|t|true)$/i.test(value) || (isColour && value === 'always')) result.push(`--${name}`);
      else if (/^(0|f|false)$/i.test(value) || (isColour && value === 'never')) result.push(...(flag.allowNo ? [`--no-${name}`] : []));
      else if (!isColour || value !== 'auto') result.push(word);
    } else {
      result.push(value === undefined ? `--${name}` : `--${name}=${value}`);
      const next = argv[index + 1];
      if (flag.type === 'option' && value === undefined && next !== undefined) {
        result.push(next);
        index += 1;
      }
    }
  }
  return result;
}

const preparse: Hook.Preparse = async ({ argv, options }) => fromGoFlags(argv, options.flags);

export default preparse;
