import type { EntryJson } from '../api/filer/protocol.js';
import type { Usage } from './tree-walk.js';

/* Entries as `weed shell` prints them. Pure; `shown` is a name or path that is safe to print. */

/** A mode as Go writes it: `drwxr-xr-x`, `-rw-r-----`. */
export function modeText(mode: number): string {
  const kinds = [...'dalTLDpSugct?'].filter((_, bit) => (mode >>> (31 - bit)) & 1).join('');
  return (kinds || '-') + [...'rwxrwxrwx'].map((letter, bit) => ((mode >>> (8 - bit)) & 1 ? letter : '-')).join('');
}

/** What stands before the path on a line of `fs.ls -l`. */
export function longFields(entry: EntryJson): string {
  const { Mode, chunks, UserName, Uid, GroupNames, Gid, FileSize } = entry;
  const [user, group] = [UserName || String(Uid), GroupNames?.[0] || String(Gid)];
  return `${modeText(Mode)} ${String(chunks?.length ?? 0).padStart(3)} ${user} ${group} ${String(FileSize).padStart(6)}`;
}

/** The same where there is no room for chunks, user and group. */
export const shortFields = ({ Mode, FileSize }: EntryJson): string => `${modeText(Mode)} ${String(FileSize).padStart(6)}`;

/** One line of `fs.du`. */
export function usageLine({ chunks, bytes }: Usage, shown: string): string {
  return `block:${String(chunks).padStart(4)}\tlogical size:${String(bytes).padStart(10)}\t${shown}`;
}

/** The branches that `fs.tree` draws before names; called once for each name in the order of a walk. Depth -1 is the top, without any. */
export class Branches {
  /** Whether more names follow at each depth above. */
  readonly #open: boolean[] = [];

  before(depth: number, isLast: boolean): string {
    if (depth < 0) return '';
    const above = this.#open.slice(0, depth).map((isOpen) => (isOpen ? '│   ' : '    '));
    this.#open.length = depth;
    this.#open.push(!isLast);
    return `${above.join('')}${isLast ? '└──' : '├──'}`;
  }
}
