import { FilerError, isFailure } from '../../src/core/errors.js';
import { formatPosition, positionsEqual, type Origin, type Seq } from '../../src/core/clock/vector.js';
import type { FeedStart } from '../../src/core/log/feed.js';
import type { Chains } from './chains.js';
import type { SimFiler } from './sim-filer.js';
import { Violation } from './violation.js';

/** Someone who follows a feed: by offset as long as that is good, else by position. */
export class Reader {
  #offset: string | null = null;
  #seen: Map<Origin, Seq>;
  #wentBack: number;

  constructor(
    public filer: SimFiler,
    private readonly count: (name: string) => void,
    private readonly chains: Pick<Chains, 'isDoubtful'>,
  ) {
    this.#seen = new Map(filer.live.log.position);
    this.#wentBack = filer.wentBack;
  }

  /** Goes on at another filer, by position. */
  moveTo(filer: SimFiler): void {
    this.filer = filer;
    this.#offset = null;
    this.#wentBack = filer.wentBack;
  }

  /**
   * Reads one page and says what it was. I7: a reader that resumes sees each change once and in order, or is told that it cannot.
   * @throws Violation
   */
  async read(): Promise<string> {
    const { feed, log } = this.filer.live;
    // Its feed gives other changes now at places that it has given before, and nothing says so: offsets are worth nothing there (docs/protocol.md).
    if (this.#wentBack !== this.filer.wentBack) {
      this.moveTo(this.filer);
      this.count('reader of a feed that went back');
    }
    const seen = this.#seen;
    try {
      const start = this.#start();
      const page = await feed.read({ start, limit: 3, bytesMax: 1e6, waitMs: 0, forPeer: false }, new AbortController().signal);
      const from = start.kind === 'offset' ? String(start.index) : formatPosition(seen);
      this.count(`feed read by ${start.kind}`);
      for (const { origin, seq } of page.records) {
        const before = seen.get(origin) ?? 0;
        if (seq !== before + 1 && !this.chains.isDoubtful(origin))
          throw new Violation('I7', `a reader of ${this.filer.name} at ${origin}:${before} was given ${seq} (from ${from})`);
        seen.set(origin, seq);
      }
      for (const [origin, seq] of page.position) {
        const has = seen.get(origin) ?? 0;
        if (this.chains.isDoubtful(origin)) seen.set(origin, seq);
        else if (seq !== has) throw new Violation('I7', `a reader of ${this.filer.name} has ${origin}:${has}, and is told ${seq}`);
      }
      // An offset knows what this filer had applied there, not what the reader has seen elsewhere: until those are one, go by position.
      this.#offset = positionsEqual(await feed.positionAt(page.next), seen) ? feed.formatOffset(page.next) : null;
      return `read ${this.filer.name} from ${from}: ${page.records.map(({ index, origin, seq }) => `${index}=${origin.slice(0, 4)}:${seq}`).join(' ')} -> ${page.next}`;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.count(`feed read answered ${error.code}`);
      // 410: it would take a snapshot, and goes on from there.
      if (error.code === 'LOG_TRIMMED') {
        this.#seen = new Map(log.position);
        this.#offset = null;
      }
      return `read ${this.filer.name}: ${error.message}`;
    }
  }

  #start(): FeedStart {
    const byPosition: FeedStart = { kind: 'position', position: new Map(this.#seen) };
    if (this.#offset === null) return byPosition;
    try {
      return { kind: 'offset', index: this.filer.live.feed.parseOffset(this.#offset) };
    } catch (error) {
      if (!isFailure(error, 'OFFSET_UNKNOWN')) throw error;
      this.count('offset of another epoch refused');
      return byPosition;
    }
  }
}
