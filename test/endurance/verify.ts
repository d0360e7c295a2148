import { createHash } from 'node:crypto';
import { rowsOf } from '../../src/core/change/change.js';
import { decodeChange } from '../../src/core/change/codec.js';
import { formatDot, formatPosition } from '../../src/core/clock/vector.js';
import { checkStore } from '../../src/core/offline-store-check.js';
import { openStoreReadOnly } from '../../src/core/store/open-store.js';
import { realTime } from '../../src/core/time.js';
import { fingerprint, Model } from '../simulation/model.js';
import type { Acknowledged } from './writers.js';

/** What one store came to: two with equal fields hold the same tree. */
export interface Verified {
  readonly position: string;
  /** Over all rows, tombstones, dots and vectors included. */
  readonly rows: string;
  readonly entries: number;
}

const problemsShown = 20;

/**
 * Reads the store of a filer that has ended: every acknowledged write is in its log as the client made it, every row is the greatest of the
 * states that the log has for its path (so a write stands or is beaten by a greater one), and the store does not contradict itself.
 * @throws Error naming what is not so
 */
export async function verifyStore(directory: string, acknowledged: ReadonlyMap<string, Acknowledged>): Promise<Verified> {
  const problems: string[] = [];
  for await (const { part, problem } of checkStore(directory, realTime)) problems.push(`${part}: ${problem}`);
  const store = await openStoreReadOnly(directory);
  try {
    const model = new Model();
    const missing = new Set(acknowledged.keys());
    for (let after = 0; ;) {
      const page = await store.readLog({ after, limit: 10_000, bytesMax: 64 * 1024 * 1024 });
      for (const record of page) {
        const change = decodeChange(record.text);
        for (const row of rowsOf(change)) model.add(row);
        const dot = formatDot(record);
        const write = acknowledged.get(dot);
        missing.delete(dot);
        if (write && !isOf(change, write)) problems.push(`${dot} is not the acknowledged write of ${write.path}`);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.index;
    }
    for (const dot of missing) problems.push(`LOST: ${dot}, acknowledged for ${acknowledged.get(dot)?.path}`);

    const rows = createHash('sha256');
    let count = 0;
    for (let page = await store.scan('tree', null, 10_000, 1e9); page.length > 0; page = await store.scan('tree', page[page.length - 1].path, 10_000, 1e9)) {
      for (const row of page) {
        const state = fingerprint(row);
        const greatest = model.rows.get(row.path);
        if (greatest === undefined || fingerprint(greatest) !== state) problems.push(`${row.path} is not the greatest state that was written`);
        rows.update(`${state}\n`);
        count += 1;
      }
    }
    if (count !== model.rows.size) problems.push(`there are ${count} rows, the log makes ${model.rows.size}`);
    if (problems.length > 0) throw new Error(`${directory}: ${problems.length} problems\n${problems.slice(0, problemsShown).join('\n')}`);
    const { origins } = await store.load();
    const position = formatPosition(new Map(origins.filter(({ seq }) => seq > 0).map(({ origin, seq }) => [origin, seq])));
    return { position, rows: rows.digest('hex'), entries: count };
  } finally {
    await store.close();
  }
}

/** True if a change is the write that was acknowledged under its dot: that put, or that delete, of that path and no other. */
function isOf({ oldPath, newPath, newEntry }: ReturnType<typeof decodeChange>, { path, content }: Acknowledged): boolean {
  if (content === null) return oldPath === path && newPath === null;
  const isPut = newPath === path && (oldPath === null || oldPath === path);
  return isPut && (JSON.parse(newEntry ?? '{}') as { content?: string }).content === Buffer.from(content()).toString('base64');
}
