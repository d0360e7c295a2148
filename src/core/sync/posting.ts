import type { Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { type FilerError, isFailure } from '../errors.js';
import type { MappedChange, Mapped } from './scope.js';
import type { SyncFiler, SyncImport } from './sync-filer.js';

/* How changes go to a target: in parts that it takes, the checkpoint with the last. */

export interface PostLimits {
  readonly importChanges: number;
  /** Bytes of one request. */
  readonly syncPostBytes: number;
}

export interface PostHooks {
  readonly signal: AbortSignal;
  /** True if a change must wait now, because of one before it that was refused: it is left out. */
  waits(change: MappedChange): boolean;
  sending(changes: number): void;
  sent(result: SyncImport, changes: number, bytes: number): void;
  /** The target says that this change breaks a rule: it is left out. */
  refused(change: MappedChange, error: FilerError): void;
}

/** Where a link goes on after some changes. */
export interface PostCheckpoint {
  readonly link: string;
  /** What the filer writes under whose checkpoint was the one before: if that is another one now, nothing is written. */
  readonly origin: Origin;
  /** Asked for when it is written: it says what was refused meanwhile. */
  value(): string;
}

/**
 * Posts changes in their order. True if the last request was taken, and the checkpoint (null = none) written with it: not without a change.
 * @throws FilerError what the target answers
 */
export async function post(
  filer: Pick<SyncFiler, 'importChanges'>,
  checkpoint: PostCheckpoint | null,
  mapped: readonly Mapped[],
  limits: PostLimits,
  hooks: PostHooks,
): Promise<boolean> {
  const versions = mapped.flatMap((one) => (one.kind === 'withheld' || (one.kind === 'change' && one.isCut) ? [one.version] : []));
  const after = versions.length === 0 ? undefined : versions.reduce((a, b) => Math.max(a, b));
  const changes = mapped.filter((one) => one.kind === 'change');
  const parts = partsOf(changes, limits);
  const origin = checkpoint?.origin;
  let isWritten = false;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    isWritten = await postPart(filer, part, { origin, ...(isLast && { checkpoint: checkpoint ?? undefined, after }) }, hooks);
  }
  // Also if all of the last part was refused: the clock must move past what is withheld.
  if (!isWritten && after !== undefined) await filer.importChanges([], { after, origin }, hooks.signal);
  return isWritten;
}

/** One request, again without what is refused in it. False if nothing was left. */
async function postPart(
  filer: Pick<SyncFiler, 'importChanges'>,
  part: readonly MappedChange[],
  { origin, checkpoint, after }: { origin?: Origin; checkpoint?: PostCheckpoint; after?: Version },
  hooks: PostHooks,
): Promise<boolean> {
  let left = part.filter((change) => !hooks.waits(change));
  while (left.length > 0) {
    hooks.sending(left.length);
    try {
      const result = await filer.importChanges(
        left.map(({ text }) => text),
        { ...(checkpoint && { checkpoint: { link: checkpoint.link, value: checkpoint.value() } }), after, origin },
        hooks.signal,
      );
      hooks.sent(result, left.length, sizeOf(left));
      return true;
    } catch (error) {
      if (isFailure(error, 'BODY_TOO_LARGE') && left.length > 1) {
        const half = left.length >> 1;
        await postPart(filer, left.slice(0, half), { origin }, hooks);
        return postPart(filer, left.slice(half), { origin, checkpoint, after }, hooks);
      }
      const refused = left[refusedIndex(error)];
      if (refused === undefined) throw error;
      hooks.refused(refused, error as FilerError);
      left = left.filter((one) => one !== refused && !hooks.waits(one));
    }
  }
  return false;
}

/** Which change the target has refused; NaN if the failure is of another kind. */
function refusedIndex(error: unknown): number {
  // One change that is more than the target takes in a request: no other way to send it is left.
  if (isFailure(error, 'BODY_TOO_LARGE')) return 0;
  return isFailure(error, 'BODY_INVALID') ? Number(/^changes\[(\d+)\]/.exec(error.message)?.[1] ?? NaN) : NaN;
}

/** Changes in the order and the portions in which they are posted. */
export function partsOf(changes: readonly MappedChange[], { importChanges, syncPostBytes }: PostLimits): MappedChange[][] {
  const parts: MappedChange[][] = [];
  let bytes = Infinity;
  for (const change of changes) {
    const size = Buffer.byteLength(change.text) + 1;
    const last = parts.at(-1);
    if (last === undefined || last.length >= importChanges || bytes + size > syncPostBytes) {
      parts.push([change]);
      bytes = size;
    } else {
      last.push(change);
      bytes += size;
    }
  }
  return parts;
}

const sizeOf = (changes: readonly MappedChange[]): number => changes.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
