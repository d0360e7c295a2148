import type { Position, Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FeedIndex, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { ChangeLog } from './change-log.js';
import type { LogState } from './log-state.js';

/*
 * What leaves the log (DESIGN: Retention). The front of the feed goes, never a part from the middle: a reader by offset meets every
 * record after its place, or hears that the place is gone.
 *
 *   older than logRetentionMs and acknowledged by everybody      the ordinary end of a record
 *   older than logRetentionMaxMs, or more than logBytesMax       the hard limits: acknowledged or not
 *
 * A record's age counts from when it was appended here, which its version does not tell: what is imported or relayed may be old.
 * So the log keeps marks: up to this index, everything was here at that time.
 */

export interface RetentionLimits {
  readonly logRetentionMs: number;
  readonly logRetentionMaxMs: number;
  readonly logBytesMax: number;
  /** Records that leave in one transaction. */
  readonly trimRecords: number;
}

/** Everything up to `index` was in the log at `at`, microseconds since 1970. */
export type Mark = readonly [index: FeedIndex, at: Version];

export const marksMeta = 'logMarks';

/** Marks kept for the longest age asked for: how exactly an age is known. */
const marksKept = 100;

/** The index up to which everything was in the log at `since`; 0 if no mark tells. */
export function indexBefore(marks: readonly Mark[], since: Version): FeedIndex {
  let found = 0;
  for (const [index, at] of marks) if (at <= since) found = Math.max(found, index);
  return found;
}

/** The marks with one for now, if it is time for one; the same array if not. */
export function withMark(
  marks: readonly Mark[],
  head: FeedIndex,
  now: Version,
  limits: Pick<RetentionLimits, 'logRetentionMs' | 'logRetentionMaxMs'>,
): readonly Mark[] {
  const ages = [limits.logRetentionMs, limits.logRetentionMaxMs];
  const [index, at] = marks.at(-1) ?? [0, 0];
  // A clock that was set back starts the ages again: too old is never guessed.
  const isDue = now < at || now - at >= (Math.min(...ages) * 1000) / marksKept;
  if (head <= index || !isDue) return marks;
  const oldest = now - Math.max(...ages) * 1000;
  const older = marks.filter(([, then]) => then <= now);
  const lastTooOld = older.findLastIndex(([, then]) => then <= oldest);
  return [...older.slice(Math.max(0, lastTooOld)), [head, now]];
}

export class Retention {
  #marks: readonly Mark[];

  constructor(
    private readonly log: ChangeLog,
    private readonly store: Pick<StoreReader, 'findRecord' | 'indexAfterBytes'>,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly limits: RetentionLimits,
    /** Everything up to here was acknowledged by every known peer and link. */
    private readonly acknowledged: () => Position,
  ) {
    this.#marks = JSON.parse(log.openedMeta.get(marksMeta) ?? '[]') as Mark[];
  }

  /** When the oldest record left was appended, at the latest; microseconds since 1970, null if the log is empty. */
  get oldestAt(): Version | null {
    const { first, head } = this.log.state;
    if (first > head) return null;
    return this.#marks.find(([index]) => index >= first)?.[1] ?? this.time.micros();
  }

  /** Of some positions, null = of nothing: which of them lack records here that are old enough to go. */
  async holding(positions: readonly (Position | null)[]): Promise<boolean[]> {
    const { state } = this.log;
    const old = this.#oldEnough();
    if (old < state.first) return positions.map(() => false);
    // One after another: there may be hundreds of peers, and the store has other work.
    const hold: boolean[] = [];
    for (const position of positions) hold.push(position === null || (await this.#acknowledgedIndex(state, old, position)) < old);
    return hold;
  }

  /** Index up to which the log is old enough to go, once it is acknowledged. */
  #oldEnough(): FeedIndex {
    return indexBefore(this.#marks, this.time.micros() - this.limits.logRetentionMs * 1000);
  }

  /** One look at the log: drops what may go. Tells how many records. */
  async trim(signal: AbortSignal): Promise<number> {
    await this.#mark();
    const before = this.log.state.counts.changes;
    for (;;) {
      signal.throwIfAborted();
      const through = await this.#cut(this.log.state);
      const { first } = this.log.state;
      if (through < first) return before - this.log.state.counts.changes;
      await this.log.alone(async (draft) => {
        await draft.trim(Math.min(through, draft.first + this.limits.trimRecords - 1));
        await draft.flush();
      });
    }
  }

  async #mark(): Promise<void> {
    const marks = withMark(this.#marks, this.log.state.head, this.time.micros(), this.limits);
    if (marks === this.#marks) return;
    await this.log.alone(async (draft) => {
      draft.setMeta(marksMeta, JSON.stringify(marks));
      await draft.flush();
    });
    this.#marks = marks;
  }

  /** Index of the last record that may go now. */
  async #cut(state: LogState): Promise<FeedIndex> {
    const { logRetentionMaxMs, logBytesMax, trimRecords } = this.limits;
    if (state.first > state.head) return 0;
    const now = this.time.micros();
    const tooMuch = state.counts.bytes - logBytesMax;
    const overBytes = tooMuch > 0 ? await this.store.indexAfterBytes(tooMuch, trimRecords) : 0;
    const old = this.#oldEnough();
    const acknowledged = old < state.first ? 0 : await this.#acknowledgedIndex(state, old, this.acknowledged());
    return Math.min(state.head, Math.max(overBytes, indexBefore(this.#marks, now - logRetentionMaxMs * 1000), acknowledged));
  }

  /** Index of the last record, up to `upto`, with nothing before it that `position` lacks. */
  async #acknowledgedIndex(state: LogState, upto: FeedIndex, position: Position): Promise<FeedIndex> {
    let index = upto;
    for (const { origin, seq, first } of state.origins.values()) {
      const next: Seq = Math.max(first, (position.get(origin) ?? 0) + 1);
      if (next > seq) continue;
      const record = await this.store.findRecord({ origin, seq: next });
      if (record !== null) index = Math.min(index, record.index - 1);
    }
    return index;
  }
}
