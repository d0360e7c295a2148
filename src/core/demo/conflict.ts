import type { ConflictReport } from '../api/meta/reports.js';
import { joinPath, root, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { DemoFiler } from './demo-filer.js';

/** One path, written on two filers without either knowing of the other. */
export interface Conflict {
  readonly path: FullPath;
  /** What was written where. */
  readonly written: readonly { readonly filer: string; readonly content: string }[];
  /** What every filer shows now. */
  readonly stands: string;
  /** The ledger's row, and whose ledger it is. */
  readonly ledger: { readonly filer: string; readonly type: string; readonly overruled: string };
  /** How often both had to write until neither had heard of the other in time. */
  readonly attempts: number;
}

const attemptsMax = 50;

/**
 * Has two filers write one path at once until the writes are concurrent: filers hear of each other within milliseconds. `settled`
 * waits until all filers are equal.
 * @throws FilerError TIMED_OUT if the filers show different contents, or the writes never met
 */
export async function writeTwice(
  filers: readonly DemoFiler[],
  [one, other]: readonly [DemoFiler, DemoFiler],
  settled: () => Promise<void>,
  signal: AbortSignal,
): Promise<Conflict> {
  const path = joinPath(root, 'written-twice.txt');
  for (let attempts = 1; attempts <= attemptsMax; attempts += 1) {
    const written = [one, other].map((filer) => ({ filer: filer.name, content: `from ${filer.name}, attempt ${attempts}\n` }));
    await Promise.all([one, other].map((filer, index) => filer.tree.put(path, written[index]?.content ?? '', { signal })));
    await settled();
    const contents = await Promise.all(filers.map(async (filer) => (await filer.tree.get(path, { signal })).toString('utf8')));
    const [stands = ''] = contents;
    const differing = contents.findIndex((content) => content !== stands);
    if (differing !== -1) throw new FilerError('TIMED_OUT', `${filers[differing]?.name} and ${filers[0]?.name} show different contents of ${path}`);
    const loser = written.find(({ content }) => content !== stands);
    for (const filer of filers) {
      const [latest] = await filer.meta.conflicts({ path, limit: 1 }, signal);
      const overruled = latest ? contentOf(latest) : null;
      // An earlier attempt's row would hold another text.
      if (latest && overruled === loser?.content) return { path, written, stands, ledger: { filer: filer.name, type: latest.type, overruled }, attempts };
    }
  }
  throw new FilerError('TIMED_OUT', `${one.name} and ${other.name} wrote ${path} ${attemptsMax} times at once, and one always heard of the other first`);
}

function contentOf({ loser }: ConflictReport): string {
  return Buffer.from(loser.entry?.content ?? '', 'base64').toString('utf8');
}
