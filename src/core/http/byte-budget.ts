/**
 * Bytes of memory that many requests share. While there is room nobody is slowed down; when there is none, those who have held theirs
 * for longest, and longer than the grace, make room for the next: a few slow clients cannot keep everybody else out.
 */
export class ByteBudget {
  #used = 0;
  /** Those that may have to make room, in the order in which they began. */
  readonly #holdings = new Set<Holding>();

  constructor(
    /** Bytes. */
    readonly bytesMax: number,
    /** How long a holding is safe, milliseconds. */
    private readonly graceMs: number,
    private readonly time: { monotonic(): number },
  ) {}

  /** Bytes held. */
  get used(): number {
    return this.#used;
  }

  /** Begins with nothing. `drop` is called at most once, when it has to make room; what it held counts as given back then. */
  open(drop: () => void): Holding {
    const holding = new Holding(this, this.time.monotonic(), drop);
    this.#holdings.add(holding);
    return holding;
  }

  /** True if there is room for so many bytes, up to `upTo` bytes in all; whoever may have to make it does. */
  hasRoom(bytes: number, upTo: number): boolean {
    if (this.#used + bytes > upTo && bytes <= upTo) this.#makeRoom(null, upTo - bytes);
    return this.#used + bytes <= upTo;
  }

  /** False if there is no room, up to `upTo` bytes in all; then nothing is taken. For holdings only. */
  admit(holding: Holding, bytes: number, upTo: number): boolean {
    if (this.#used + bytes > upTo && bytes <= upTo) this.#makeRoom(holding, upTo - bytes);
    if (this.#used + bytes > upTo) return false;
    this.#used += bytes;
    return true;
  }

  /** For holdings only. */
  giveBack(bytes: number): void {
    this.#used -= bytes;
  }

  /** It need not make room any more. For holdings only. */
  keep(holding: Holding): void {
    this.#holdings.delete(holding);
  }

  #makeRoom(asking: Holding | null, usedMax: number): void {
    const before = this.time.monotonic() - this.graceMs;
    for (const holding of this.#holdings) {
      if (this.#used <= usedMax || holding.since >= before) return;
      if (holding !== asking && holding.bytes > 0) holding.drop();
    }
  }
}

/** What one request holds of a budget. */
export class Holding {
  bytes = 0;
  #dropped = false;

  constructor(
    private readonly budget: ByteBudget,
    /** Monotonic milliseconds. */
    readonly since: number,
    private readonly dropped: () => void,
  ) {}

  /** False if there is no room for that much more, or this had to make room: then nothing is taken. */
  take(bytes: number, upTo = this.budget.bytesMax): boolean {
    if (this.#dropped || !this.budget.admit(this, bytes, upTo)) return false;
    this.bytes += bytes;
    return true;
  }

  giveBack(bytes = this.bytes): void {
    this.budget.giveBack(bytes);
    this.bytes -= bytes;
  }

  /** From now on it is not asked to make room. */
  keep(): void {
    this.budget.keep(this);
  }

  /** Gives everything back for good. */
  close(): void {
    this.keep();
    this.giveBack();
  }

  /** Makes room. */
  drop(): void {
    this.#dropped = true;
    this.close();
    this.dropped();
  }
}
