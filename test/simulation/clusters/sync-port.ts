import { decodeImport } from '../../../src/core/api/meta/import-body.js';
import { withApplied } from '../../../src/core/change/codec.js';
import { FilerError, isFailure } from '../../../src/core/errors.js';
import type { Filer } from '../../../src/core/filer.js';
import { importChanges, planImport } from '../../../src/core/log/importing.js';
import { positionOf } from '../../../src/core/log/log-state.js';
import type { FeedStart } from '../../../src/core/log/feed.js';
import type { SyncFeedRequest, SyncFiler } from '../../../src/core/sync/sync-filer.js';
import type { Network, Node } from '../network.js';
import type { SimFiler } from '../sim-filer.js';

/** Changes of one request: few, so that a page is posted in parts. */
export const importMax = 3;

export interface SyncPortOptions {
  readonly network: Network;
  /** The process that asks. */
  readonly from: Node;
  readonly address: string;
  readonly find: (address: string) => SimFiler | undefined;
  readonly count: (name: string) => void;
}

const never = new AbortController().signal;

/** A filer as a sync sees it: what the handlers of src/core/api/meta do, over the simulation's network in place of HTTP. */
export function syncPort({ network, from, address, find, count }: SyncPortOptions): SyncFiler {
  const ask = <T>(signal: AbortSignal | undefined, work: (filer: Filer, to: SimFiler, held: AbortSignal) => Promise<T> | T): Promise<T> =>
    network.call(from, find(address), address, signal ?? never, async (held) => {
      const to = find(address) as SimFiler;
      try {
        return await work(to.live, to, held.signal);
      } catch (error) {
        if (isFailure(error) && !held.isOver) count(`a sync was answered ${error.code}`);
        // A process that was killed gives no answer; the network says so.
        if (!isFailure(error) && /killed|dead/.test(String(error))) return new Promise<never>(() => {});
        throw error;
      }
    });
  const read = (lines: readonly string[]) => decodeImport(Buffer.from(lines.join('\n')), importMax).changes;
  const writing = <T>(signal: AbortSignal | undefined, work: (filer: Filer, to: SimFiler) => Promise<T>): Promise<T> =>
    ask(signal, (filer, to) => {
      filer.admission.mustWrite();
      return work(filer, to);
    });
  return {
    address,
    info: (signal) => ask(signal, (filer) => filer.info()),
    peers: (signal) => ask(signal, async (filer) => ({ peers: await filer.status.peers() })),
    feed: (request, signal) =>
      ask(signal, async (filer, _, held) => {
        filer.admission.mustServe();
        const { since, origins, limit, bytesMax, waitMs } = request;
        const page = await filer.source.read({ start: startOf(filer, request), since, origins, limit, bytesMax, waitMs }, null, held);
        const texts = page.records.map((record) => withApplied(record.text, record.applied));
        const bytes = texts.reduce((sum, text) => sum + text.length, 0);
        return { texts, position: page.position, head: positionOf(page.state.origins), time: filer.log.clock.now(), bytes, upToDate: page.upToDate };
      }),
    snapshot: (after, limit, _, signal) => ask(signal, (filer) => filer.source.snapshot(after, limit, null)),
    row: (path, signal) => ask(signal, (filer) => filer.source.row(path)),
    importChanges: (lines, options, signal) =>
      writing(signal, async (filer) => {
        const result = await importChanges(filer.log, read(lines), options);
        for (const outcome of ['applied', 'superseded', 'unchanged', 'conflicting'] as const) if (result[outcome] > 0) count(`import: ${outcome}`);
        return result;
      }),
    planImport: (lines, signal) => writing(signal, async (filer) => planImport(filer.log, [read(lines)])),
    announceLink: (link, about, signal) =>
      writing(signal, async (filer) => {
        await filer.upkeep.links.announce(link, about);
      }),
    reportLink: (link, report, signal) =>
      ask(signal, (filer) => {
        filer.admission.mustServe();
        return filer.upkeep.links.report(link, report);
      }),
    checkpoints: (signal) => ask(signal, (filer) => filer.checkpoints.list()),
    setCheckpoint: (link, value, { origin }, signal) =>
      writing(signal, async (filer) => {
        await (value === null ? filer.checkpoints.reset(link) : filer.checkpoints.set(link, value, origin));
      }),
    value: (key, signal) =>
      ask(signal, (_, to) => {
        const value = to.disk.content.kv.get(key);
        return value === undefined ? null : Buffer.from(value);
      }),
    setValue: (key, value, signal) => ask(signal, (filer) => filer.log.aloneForClient((draft) => draft.tx.write({ kv: new Map([[key, value]]) }))),
  };
}

function startOf(filer: Filer, { offset, position, since }: SyncFeedRequest): FeedStart {
  if (offset !== undefined) return { kind: 'offset', index: filer.feed.parseOffset(offset) };
  if (position !== undefined) return { kind: 'position', position };
  if (since !== undefined) return { kind: 'since', since };
  throw new FilerError('PARAMETER_INVALID', 'offset, position, since: give one of them');
}
