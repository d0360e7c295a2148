import { isRefused, type Applied, type ReceivedChange } from '../change/change.js';
import { chainHash } from '../change/digest.js';
import type { Clock } from '../clock/clock.js';
import type { Origin } from '../clock/vector.js';
import { FilerError } from '../errors.js';
import type { Counts, FeedIndex, LogRecord, LogSpan, OriginState, StoreTransaction, WriteBatch } from '../store/store.js';
import { originAt, originStart, type LogState } from './log-state.js';
import { runsWith } from './runs.js';

type LogCounts = Pick<Counts, 'changes' | 'bytes'>;

/**
 * The log as one transaction sees and changes it: records, how far each origin is, head and first record. What it learns of versions moves
 * the clock. Whatever reaches into the store (`trim`, `jump`, `giveUp`, `clear`) needs everything before it written.
 */
export class LogDraft {
  readonly #origins: Map<Origin, OriginState>;
  readonly #dirtyOrigins = new Set<Origin>();
  #records: LogRecord[] = [];
  /** What was appended and written so far; null = too much to keep, or the log was not only appended to. */
  #appended: LogRecord[] | null = [];
  #appendedBytes = 0;
  #head: FeedIndex;
  #first: FeedIndex;
  #counts: { -readonly [K in keyof LogCounts]: number };

  constructor(
    private readonly tx: StoreTransaction,
    base: Pick<LogState, 'origins' | 'head' | 'first' | 'counts'>,
    private readonly clock: Clock,
    /** Text of the last changes kept in memory, bytes. */
    private readonly recentBytes: number,
  ) {
    const { changes, bytes } = base.counts;
    this.#origins = new Map(base.origins);
    this.#head = base.head;
    this.#first = base.first;
    this.#counts = { changes, bytes };
  }

  get origins(): ReadonlyMap<Origin, OriginState> {
    return this.#origins;
  }

  /** How far an origin is; at 0 if it is not known. */
  origin(origin: Origin): OriginState {
    return this.#origins.get(origin) ?? originStart(origin);
  }

  get head(): FeedIndex {
    return this.#head;
  }

  /** Index of the first record. */
  get first(): FeedIndex {
    return this.#first;
  }

  get counts(): LogCounts {
    return this.#counts;
  }

  /** Records waiting to be written. */
  get pending(): number {
    return this.#records.length;
  }

  /** Records the transaction has appended and written; null if they are too much to keep, or if it did more to the log than that. */
  get appended(): readonly LogRecord[] | null {
    return this.#appended;
  }

  /** Appends a change of an origin that was at `before`, and moves the origin to it. */
  append(change: ReceivedChange, before: OriginState, applied: Applied): void {
    this.#head += 1;
    this.#records.push({ index: this.#head, origin: change.origin, seq: change.seq, version: change.version, hash: change.hash, applied, text: change.text });
    const { origin, first, firstHash, firstVersion } = before;
    const version = change.version || before.version;
    const runs = runsWith(before.runs, change);
    this.#origins.set(origin, { origin, seq: change.seq, hash: change.hash, version, first, firstHash, firstVersion, runs });
    this.#dirtyOrigins.add(change.origin);
    this.#counts.changes += 1;
    this.#counts.bytes += Buffer.byteLength(change.text);
  }

  /** Says how far an origin is, without records. */
  set(state: OriginState): void {
    // Moved by no record of this transaction: from the records before it nothing can be told of where it was.
    if (state.seq !== (this.#origins.get(state.origin)?.seq ?? 0)) this.#appended = null;
    this.#origins.set(state.origin, state);
    this.#dirtyOrigins.add(state.origin);
    this.clock.observe(state.version);
  }

  /** Drops the front of the log, up to and including `through` (DESIGN: Retention). */
  async trim(through: FeedIndex): Promise<void> {
    const { last, changes, bytes, first } = await this.tx.trimLog(through);
    for (const { origin, seq, hash, version } of last) this.set({ ...this.origin(origin), first: seq + 1, firstHash: hash, firstVersion: version });
    this.#span({ changes: this.#counts.changes - changes, bytes: this.#counts.bytes - bytes, first });
  }

  /** Drops the log of origins that a snapshot has moved ahead: `first` becomes seq + 1. */
  async jump(origins: readonly OriginState[]): Promise<void> {
    this.#appended = null;
    const left = await this.tx.clearLog(origins.map(({ origin }) => origin));
    for (const state of origins) this.set(originAt(state));
    this.#span(left);
  }

  /** Drops what one origin wrote after `to`. */
  async giveUp(to: OriginState): Promise<void> {
    this.#appended = null;
    const left = await this.tx.cutLog(to.origin, to.seq);
    this.set(to);
    this.#span(left);
  }

  /** Drops every record and every origin. */
  async clear(): Promise<void> {
    await this.tx.clearLog(null);
    this.#appended = null;
    await this.tx.clearOrigins();
    this.#origins.clear();
    this.#span({ changes: 0, bytes: 0, first: this.#head + 1 });
  }

  /** What has changed since this was last asked for; the records count as written. */
  takeDirty(): Required<Pick<WriteBatch, 'log' | 'origins'>> {
    const log = this.#records;
    const origins = [...this.#dirtyOrigins].map((origin) => this.#origins.get(origin) as OriginState);
    this.#keepAppended(log);
    this.#records = [];
    this.#dirtyOrigins.clear();
    return { log, origins };
  }

  #keepAppended(records: readonly LogRecord[]): void {
    this.#appendedBytes = records.reduce((bytes, { text }) => bytes + text.length, this.#appendedBytes);
    if (this.#appendedBytes > this.recentBytes) this.#appended = null;
    this.#appended?.push(...records);
  }

  #span({ changes, bytes, first }: LogSpan): void {
    this.#counts = { changes, bytes };
    this.#first = first;
  }
}

/**
 * Passes if a change is the next one after what is known of its origin.
 * @throws FilerError ORIGIN_DIVERGED if its hash does not follow from what is here; PARAMETER_INVALID if it leaves a gap
 */
export function mustFollow(change: ReceivedChange, known: OriginState): void {
  if (change.seq > known.seq + 1) {
    throw new FilerError('PARAMETER_INVALID', `origin ${change.origin}: seq ${change.seq} does not follow ${known.seq}; ask again from ${known.seq}`, {
      origin: change.origin,
      seq: known.seq,
    });
  }
  const link = isRefused(change) ? change.link : change;
  if (link !== null && chainHash(known.hash, link) !== change.hash) {
    throw new FilerError(
      'ORIGIN_DIVERGED',
      `origin ${change.origin}: change ${change.seq} does not follow from what is here at ${known.seq}; two logs were written under one origin`,
      {
        origin: change.origin,
        seq: known.seq,
      },
    );
  }
}
