import { findBranch, hashesAt } from '../../src/core/replication/branches.js';
import { openFiler, type MemoryFiler } from './memory-peer.js';
import { file, mode, never, p, pull } from './open-log.js';

/* Filers whose logs of one origin part, made by their own processes on copies of one disk. */

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
/** Where the histories of two filers part, as the first one finds it. */
export const branchOf = (at: MemoryFiler, peer: MemoryFiler) => findBranch(peer.info(), peer.peer, at.core.log, at.core.store, never);
/** The chain hash a filer knows at a place of a log; null if it knows none. */
export const hashAt = async ({ core: { log, store } }: MemoryFiler, origin: string, seq: number) =>
  (await hashesAt(log.state, store, new Map([[origin, seq]]))).get(origin) ?? null;
/** Drops the front of the log. */
export async function trim(filer: MemoryFiler, through: number): Promise<void> {
  await filer.core.log.alone(async (draft) => {
    await draft.trim(through);
    await draft.flush();
  });
}

/** Writes `/TEXT0`, `/TEXT1` and so on. */
export async function writeMany(filer: MemoryFiler, count: number, text: string): Promise<void> {
  for (let i = 0; i < count; i++) await put(filer, `/${text}${i}`, text);
}

/** The owner of an origin, put back to an older state without a trace and written to since; and a peer that has followed what it wrote before. */
export async function putBack(options: { shared: number; lost: number; written: number }): Promise<[owner: MemoryFiler, peer: MemoryFiler]> {
  const [first, peer] = [await openFiler('owner:1'), await openFiler('peer:1')];
  await writeMany(first, options.shared, 'shared');
  const backup = first.core.disk.clone();
  backup.restored = false;
  await writeMany(first, options.lost, 'lost');
  await pull(first.core, peer.core);
  const owner = await openFiler('owner:1', 'ready', { disk: backup, time: first.core.time });
  await owner.core.time.advance(1000);
  await writeMany(owner, options.written, 'written');
  return [owner, peer];
}

/** Two filers that have followed one branch each of a third one's log. */
export async function followers(options: { shared: number; lost: number; written: number }): Promise<[MemoryFiler, MemoryFiler, string]> {
  const [owner, one] = await putBack(options);
  const other = await openFiler('other:1');
  await pull(owner.core, other.core);
  return [one, other, owner.origin];
}

/** A filer that has taken a snapshot of another one: its log begins after it. */
export async function snapshotOf(source: MemoryFiler, address: string): Promise<MemoryFiler> {
  const reader = await openFiler(address, 'bootstrapping');
  await reader.bootstrap().take(source.peer, source.info(), 'tree', never);
  return reader;
}

/**
 * Two that have come to one of two branches each, which part after 3 changes: one by a snapshot, the other by following; the snapshot was
 * taken beyond where the other one is. Also the origin, and whom the snapshot was taken of.
 */
export async function snapshotAndFollower(snapshotOn: 'written' | 'lost'): Promise<[reader: MemoryFiler, follower: MemoryFiler, string, source: MemoryFiler]> {
  const [lost, written] = snapshotOn === 'lost' ? [4, 2] : [2, 4];
  const [owner, peer] = await putBack({ shared: 3, lost, written });
  if (snapshotOn === 'written') return [await snapshotOf(owner, 'reader:1'), peer, owner.origin, owner];
  const follower = await openFiler('follower:1');
  await pull(owner.core, follower.core);
  return [await snapshotOf(peer, 'reader:1'), follower, owner.origin, peer];
}

/** Two that have taken snapshots, one of each branch. */
export async function snapshots(): Promise<[MemoryFiler, MemoryFiler, string]> {
  const [owner, peer] = await putBack({ shared: 3, lost: 4, written: 6 });
  return [await snapshotOf(owner, 'one:1'), await snapshotOf(peer, 'other:1'), owner.origin];
}
