/** What a walk or a copy leaves out: by reason, how many and the first few names. */
export class Skipped {
  readonly #reasons = new Map<string, { count: number; names: string[] }>();

  constructor(
    /** Names kept of each reason. */
    private readonly namesMax: number,
  ) {}

  add(reason: string, name: string): void {
    const skipped = this.#reasons.get(reason) ?? { count: 0, names: [] };
    skipped.count += 1;
    if (skipped.names.length < this.namesMax) skipped.names.push(name);
    this.#reasons.set(reason, skipped);
  }

  /** How many in all. */
  get count(): number {
    return [...this.#reasons.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** The greatest first. */
  get reasons(): { reason: string; count: number; names: readonly string[] }[] {
    return [...this.#reasons].map(([reason, skipped]) => ({ reason, ...skipped })).sort((a, b) => b.count - a.count);
  }
}

/** Why a file of this machine could not be taken, without its name. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'gone meanwhile';
  if (code === 'EACCES' || code === 'EPERM') return 'not readable';
  return code ?? message;
}
