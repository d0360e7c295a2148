import type { FullPath } from '../entry/path.js';
import type { Changed } from './changes.js';
import type { Conflict } from './conflict.js';
import type { Skipped } from '../tree/skipped.js';

/* What the demo tells of its steps, in words. Pure. */

/** `5,812`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1 file`, `2 files`; `1 entry`, `2 entries`. */
export function counted(value: number, noun: string): string {
  if (value === 1) return `1 ${noun}`;
  return `${count(value)} ${noun.replace(/y$/, 'ie')}s`;
}

/** `0.83 s`, `12.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** One line a reason; names below `directory` are shortened to what follows it. */
export function tellSkipped(skipped: Skipped, directory: string): string[] {
  return skipped.reasons.map(({ reason, count: times, names }) => {
    const shown = names.map((name) => (name.startsWith(`${directory}/`) ? name.slice(directory.length + 1) : name));
    return `skipped ${count(times)}, ${reason}: ${shown.join(', ')}${times > names.length ? ', …' : ''}`;
  });
}

export function tellChanges({ overwritten, removed, renamed, deleted }: Changed): string[] {
  const entries = (what: { path: FullPath; entries: number }): string => `${what.path} with ${counted(what.entries, 'entry')}`;
  const two = [`overwrote ${counted(overwritten, 'file')}`, removed && `deleted ${entries(removed)}`];
  const three = [renamed && `renamed ${entries(renamed)} to ${renamed.to}`, `deleted ${counted(deleted, 'file')}`];
  return [`filer 2 ${two.filter(Boolean).join(' and ')}`, `filer 3 ${three.filter(Boolean).join(' and ')}`];
}

export function tellConflict({ path, written, stands, ledger, attempts }: Conflict): string[] {
  const text = (content: string): string => `"${content.trim()}"`;
  const [one, other] = written;
  return [
    `${path}: ${one?.filer} wrote ${text(one?.content ?? '')} while ${other?.filer} wrote ${text(other?.content ?? '')}`,
    ...(attempts > 1 ? [`(${counted(attempts, 'attempt')}: before, one had heard of the other in time)`] : []),
    `${text(stands)} stands on all; the ledger of ${ledger.filer} keeps ${text(ledger.overruled)} (${ledger.type})`,
  ];
}
