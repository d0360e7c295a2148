import type { Origin, Position, Seq } from '../clock/vector.js';
import type { FeedIndex, LogQuery, LogRecord } from '../store/store.js';
import type { LogState } from './log-state.js';

/**
 * The end of the log in memory. Who keeps up reads only what was just written, and need not wait for a way to the disk and back; the
 * rest is the store's to answer. While nobody reads, nothing is kept: what lives for thousands of writes costs each of them a tenth of its time.
 */
export class RecentRecords {
  /** Without a gap, up to the head. */
  #records: LogRecord[] = [];
  #bytes = 0;
  /** Bytes of text appended since anybody asked for a record. */
  #unread = 0;
  /** Index and position just before the first of them. */
  #after: FeedIndex;
  #before: Map<Origin, Seq>;

  constructor(
    state: LogState,
    /** Bytes of text kept. */
    private readonly bytesMax: number,
  ) {
    this.#after = state.head;
    this.#before = seqsOf(state);
  }

  /** Takes over what a transaction has appended; null = it was too much, or the log was not only appended to. */
  follow(next: LogState, appended: readonly LogRecord[] | null): void {
    for (const { text } of appended ?? []) this.#unread += text.length;
    // Whoever reads on after so much would not find its place here anyway.
    if (appended === null || this.#unread > this.bytesMax) {
      this.#records = [];
      this.#bytes = 0;
      this.#after = next.head;
      this.#before = seqsOf(next);
      return;
    }
    for (const record of appended) {
      this.#records.push(record);
      this.#bytes += record.text.length;
    }
    // Not before twice as much is there, so that moving the rest up is rare.
    if (this.#bytes > 2 * this.bytesMax) this.#dropOldest();
  }

  /** As the store's `readLog`; null if what is asked for begins before what is here. */
  read({ after, upto = Infinity, origins, beyond, limit, bytesMax }: LogQuery): LogRecord[] | null {
    this.#unread = 0;
    if (after < this.#after && !(beyond && this.hasAllBeyond(beyond, origins && [...origins]))) return null;
    const found: LogRecord[] = [];
    let bytes = 0;
    for (let i = Math.max(0, after - this.#after); i < this.#records.length && found.length < limit; i++) {
      const record = this.#records[i] as LogRecord;
      if (record.index > upto) break;
      if (origins && !origins.has(record.origin)) continue;
      if (beyond && record.seq <= (beyond.get(record.origin) ?? 0)) continue;
      bytes += record.text.length;
      if (found.length > 0 && bytes > bytesMax) break;
      // A copy: what readers tie to a record must not live as long as this one.
      found.push({ ...record });
    }
    return found;
  }

  /** The position of a reader that has read everything up to `index`; null if that lies before what is here. */
  positionAt(index: FeedIndex): Position | null {
    if (index < this.#after) return null;
    const position = new Map(this.#before);
    for (const record of this.#records) {
      if (record.index > index) break;
      position.set(record.origin, record.seq);
    }
    return position;
  }

  /** True if nothing of these origins, undefined = all, that stands before what is here lies beyond the position. */
  hasAllBeyond(position: Position, origins: readonly Origin[] | undefined): boolean {
    for (const [origin, seq] of this.#before) if ((origins?.includes(origin) ?? true) && (position.get(origin) ?? 0) < seq) return false;
    return true;
  }

  #dropOldest(): void {
    let count = 0;
    for (; this.#bytes > this.bytesMax && count < this.#records.length; count++) {
      const record = this.#records[count] as LogRecord;
      this.#bytes -= record.text.length;
      this.#after = record.index;
      this.#before.set(record.origin, record.seq);
    }
    this.#records.splice(0, count);
  }
}

const seqsOf = ({ origins }: LogState) => new Map([...origins.values()].map(({ origin, seq }) => [origin, seq]));
