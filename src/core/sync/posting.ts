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
  sending(changes: number): void;
  sent(result: SyncImport, changes: number, bytes: number): void;
  /** The target says that this change breaks a rule. */
  refused(what: string, error: FilerError): void;
}

/**
 * Posts changes in their order. What the target refuses is told and left out. True if the checkpoint was written: not without a change.
 * @throws FilerError what the target answers
 */
export async function post(
  filer: SyncFiler,
  checkpoint: { readonly link: string; readonly value: string },
  mapped: readonly Mapped[],
  limits: PostLimits,
  hooks: PostHooks,
): Promise<boolean> {
  const versions = mapped.flatMap((one) => (one.kind === 'withheld' || (one.kind === 'change' && one.isCut) ? [one.version] : []));
  const after = versions.length === 0 ? undefined : versions.reduce((a, b) => Math.max(a, b));
  const changes = mapped.filter((one) => one.kind === 'change');
  const parts = partsOf(changes, limits);
  if (parts.length === 0) {
    if (after !== undefined) await filer.importChanges([], { after }, hooks.signal);
    return false;
  }
  let isWritten = false;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    isWritten = await postPart(filer, part, isLast ? { checkpoint, after } : {}, hooks);
  }
  return isWritten;
}

type Options = Parameters<SyncFiler['importChanges']>[1];

/** One request, again without what is refused in it. False if nothing was left. */
async function postPart(filer: SyncFiler, part: readonly MappedChange[], options: Options, hooks: PostHooks): Promise<boolean> {
  let left = part;
  while (left.length > 0) {
    hooks.sending(left.length);
    try {
      const result = await filer.importChanges(
        left.map(({ text }) => text),
        options,
        hooks.signal,
      );
      hooks.sent(result, left.length, sizeOf(left));
      return true;
    } catch (error) {
      const index = isFailure(error, 'BODY_INVALID') ? Number(/^changes\[(\d+)\]/.exec(error.message)?.[1] ?? NaN) : NaN;
      const refused = left[index];
      if (refused === undefined) throw error;
      hooks.refused(`a change of version ${refused.version}`, error as FilerError);
      left = left.filter((one) => one !== refused);
    }
  }
  return false;
}

function partsOf(changes: readonly MappedChange[], { importChanges, syncPostBytes }: PostLimits): MappedChange[][] {
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
