export interface SharedPagesLimits {
  readonly pageCacheEntries: number;
  readonly pageCacheBytes: number;
}

/** Pages being read or just read, oldest first, shared by readers at the same place. */
export class SharedPages<T> {
  readonly #pages = new Map<string, { readonly page: Promise<T>; bytes: number }>();
  #bytes = 0;

  constructor(
    private readonly limits: SharedPagesLimits,
    private readonly bytesOf: (page: T) => number,
  ) {}

  /** The page under this key, or what `read` gives. @throws what `read` throws */
  take(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#pages.get(key);
    if (known) return known.page;
    const shared = { page: read(), bytes: 0 };
    this.#pages.set(key, shared);
    shared.page.then(
      (page) => {
        // It may have made room for others meanwhile.
        if (this.#pages.get(key) !== shared) return;
        shared.bytes = this.bytesOf(page);
        this.#bytes += shared.bytes;
        this.#makeRoom();
      },
      () => this.#forget(key),
    );
    this.#makeRoom();
    return shared.page;
  }

  #makeRoom(): void {
    const { pageCacheEntries, pageCacheBytes } = this.limits;
    for (const key of this.#pages.keys()) {
      if (this.#pages.size <= pageCacheEntries && this.#bytes <= pageCacheBytes) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#pages.get(key)?.bytes ?? 0;
    this.#pages.delete(key);
  }
}
