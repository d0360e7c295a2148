import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetaClient } from '../api/meta/client.js';
import { encodeImported, type ImportedChange } from '../change/imported.js';
import { limits } from '../config/limits.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import { HttpClient } from '../http/client.js';
import { checkpointPath, checkpointValue } from '../log/checkpoints.js';
import { addPlans, emptyPlan, type ImportPlan } from '../change/plan.js';
import { importSteps, planImport, type ImportResult } from '../log/importing.js';
import { backoffMs } from '../loop.js';
import type { Signer } from '../security/signer.js';
import type { TimeSource } from '../time.js';
import { openFolder, type Folder } from './folder.js';

/* Where a replay writes to: a running filer, or the folder of a store. Both through the same import. */

/** One change to be written. */
export interface ReplayChange {
  readonly change: ImportedChange;
  /** The same on one line, if it is known. */
  readonly text: string | null;
}

/** Bytes of a change, about. */
export function bytesOf({ change: { newEntry, oldPath, newPath }, text }: ReplayChange): number {
  return text?.length ?? (newEntry?.length ?? 0) + 2 * ((oldPath?.length ?? 0) + (newPath?.length ?? 0)) + 1000;
}

/** What comes after the first changes of a transaction. */
export interface ReplayRest {
  /** What is there now; null = nothing. */
  take(): readonly ReplayChange[] | null;
  /** As `take`, but waits for something until `other` settles. */
  next(other: Promise<unknown>): Promise<readonly ReplayChange[] | null>;
  /** The link whose checkpoint is written too; null = none. */
  readonly link: string | null;
  /** What its checkpoint says once all that was taken is there; null = nothing to go by. */
  mark(): string | null;
}

export interface ReplayTarget {
  /** What it is called in messages. */
  readonly name: string;
  /** Changes and bytes that it takes together. */
  readonly changesMax: number;
  readonly bytesMax: number;
  /** Changes read ahead while it is busy, besides the page under way. */
  readonly readAhead: number;
  /** The value of a checkpoint; null if there is none. */
  checkpoint(link: string, signal: AbortSignal): Promise<string | null>;
  /** Writes changes in one transaction, and as much of the rest with them as it likes. @throws FilerError as importChanges does; PEER_UNREACHABLE */
  write(first: readonly ReplayChange[], rest: ReplayRest, signal: AbortSignal): Promise<Omit<ImportResult, 'position'>>;
  /** Tells what writing them would do, one batch after the other, and writes nothing. */
  plan(batches: AsyncIterable<readonly ReplayChange[]>, signal: AbortSignal): Promise<ImportPlan>;
  close(): Promise<void>;
}

// ---- a running filer

export interface FilerTargetOptions {
  /** host:port */
  readonly address: string;
  readonly signer?: Signer;
  readonly time: TimeSource;
  /** It has stopped to answer and is waited for; told once. */
  away(error: FilerError): void;
  back(): void;
}

export function filerTarget(options: FilerTargetOptions): ReplayTarget {
  const { address, signer, time, away, back } = options;
  const http = new HttpClient({ connections: 2, signer });
  const client = new MetaClient(http, address);
  const linesOf = (changes: readonly ReplayChange[]) => changes.map(({ change, text }) => text ?? encodeImported(change));
  /** What is written twice is written once: a restart of the filer need not end the replay. */
  const patiently = async <T>(ask: () => Promise<T>, signal: AbortSignal, isFirst: boolean): Promise<T> => {
    let awaySince = 0;
    for (let failures = 0; ;) {
      try {
        const answer = await ask();
        if (failures > 0) back();
        return answer;
      } catch (error) {
        if (!isFailure(error) || !error.retriable || isFirst) throw error;
        failures += 1;
        if (failures === 1) {
          awaySince = time.monotonic();
          away(error);
        }
        if (time.monotonic() - awaySince >= limits.readerAwayMs) throw error;
        await time.sleep(
          backoffMs(failures, { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax }, () => time.random()),
          signal,
        );
      }
    }
  };
  let hasAnswered = false;
  return {
    name: address,
    changesMax: limits.importChanges,
    bytesMax: limits.jsonBodyBytesMax / 2,
    readAhead: limits.replayReadAheadSent,
    checkpoint: async (link, signal) => (await client.checkpoints(signal)).find((one) => one.link === link)?.value ?? null,
    write: async (changes, rest, signal) => {
      const lines = linesOf(changes);
      const [link, value] = [rest.link, rest.mark()];
      const checkpoint = link !== null && value !== null ? { link, value } : undefined;
      const answer = await patiently(() => client.importChanges(lines, { checkpoint }, signal), signal, !hasAnswered);
      hasAnswered = true;
      return answer;
    },
    plan: async (batches, signal) => {
      let total = emptyPlan;
      for await (const batch of batches) total = addPlans(total, await client.planImport(linesOf(batch), signal));
      return total;
    },
    close: () => http.close(),
  };
}

// ---- a folder

/**
 * Opens the store in a folder for a replay; makes both if they are missing. For a plan nothing is made.
 * @throws FilerError STORE_LOCKED while a filer runs on it; BOOTSTRAPPING if its filer must first finish joining; STORE_TOO_NEW, STORE_FULL, STORE_FAILED
 */
export async function openStoreTarget(directory: string, options: { time: TimeSource; planOnly: boolean }): Promise<ReplayTarget> {
  const { time, planOnly } = options;
  const scratch = planOnly && !(await isStore(directory)) ? await mkdtemp(join(tmpdir(), 'kelp-plan-')) : null;
  const clear = async () => {
    if (scratch !== null) await rm(scratch, { recursive: true, force: true });
  };
  try {
    return storeTarget(directory, await openFolder(scratch ?? directory, time), clear);
  } catch (error) {
    await clear();
    throw error;
  }
}

function storeTarget(directory: string, { log, store, begin, close }: Folder, clear: () => Promise<void>): ReplayTarget {
  return {
    name: directory,
    changesMax: limits.replayChanges,
    bytesMax: limits.replayBytes,
    readAhead: limits.replayReadAhead,
    checkpoint: async (link) => checkpointValue((await store.find('tree', [checkpointPath(link)]))[0] ?? null),
    write: async (first, rest) => {
      await begin();
      let [count, bytes] = [0, 0];
      const taken = (changes: readonly ReplayChange[]) => {
        count += changes.length;
        bytes += changes.reduce((sum, one) => sum + bytesOf(one), 0);
        return importedOf(changes);
      };
      const maybeTaken = (changes: readonly ReplayChange[] | null) => changes && taken(changes);
      const hasRoom = () => count < limits.replayTransactionChanges && bytes < limits.replayTransactionBytes;
      return importSteps(log, taken(first), {
        take: () => (hasRoom() ? maybeTaken(rest.take()) : null),
        next: async (written) => (hasRoom() ? maybeTaken(await rest.next(written)) : null),
        link: rest.link,
        mark: () => rest.mark(),
      });
    },
    plan: (batches) => planImport(log, changesOf(batches)),
    close: async () => {
      await close();
      await clear();
    },
  };
}

const importedOf = (changes: readonly ReplayChange[]): ImportedChange[] => changes.map(({ change }) => change);

async function* changesOf(batches: AsyncIterable<readonly ReplayChange[]>): AsyncGenerator<ImportedChange[]> {
  for await (const batch of batches) yield importedOf(batch);
}

async function isStore(directory: string): Promise<boolean> {
  try {
    return (await stat(join(directory, 'filer.db'))).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new FilerError('STORE_FAILED', `${directory} cannot be read: ${messageOf(error)}`, {}, { cause: error });
  }
}
