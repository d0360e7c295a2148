/**
 * Version of a member list: `epoch-n`. The epoch is random per start of a master, n rises with each change. Whoever
 * only waits for news compares versions as text; whoever gets lists by two ways at once needs to know which is older.
 */
export interface ListVersion {
  readonly epoch: string;
  readonly n: number;
}

export function formatListVersion({ epoch, n }: ListVersion): string {
  return `${epoch}-${n}`;
}

/** Null if it has another form. */
export function parseListVersion(text: string): ListVersion | null {
  const [, epoch, n] = /^([0-9a-f]{1,32})-(\d{1,15})$/.exec(text) ?? [];
  return epoch === undefined ? null : { epoch, n: Number(n) };
}
