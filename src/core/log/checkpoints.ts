import { FilerError } from '../errors.js';
import { isLive, type Row } from '../change/row.js';
import type { Dot, Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { Entry } from '../entry/entry.js';
import { childPath, isWithin, reservedDirectory, type FullPath } from '../entry/path.js';
import type { StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { ChangeLog } from './change-log.js';
import type { Draft } from './draft.js';

/*
 * Checkpoints of sync links (DESIGN: Clusters and filer.sync): each is one replicated entry `/.filer/sync/LINK` of the cluster that is
 * written to, and its content is the value, so that every filer of that cluster knows where a link goes on.
 */

const directory = childPath(reservedDirectory, 'sync');
const linkPattern = /^[0-9a-f]{16}$/;

export interface Checkpoint {
  /** 16 hex digits. */
  readonly link: string;
  /** What the sync wrote; a filer does not look into it. */
  readonly value: string;
  /** When it was written. */
  readonly version: Version;
}

/** @throws FilerError PARAMETER_INVALID if `link` is not the name of one */
export function checkpointPath(link: string): FullPath {
  if (!linkPattern.test(link)) throw new FilerError('PARAMETER_INVALID', `checkpoint: "${link.slice(0, 40)}" is not a link (16 lower-case hex digits)`);
  return childPath(directory, link);
}

/** True for the path of a checkpoint. */
export function isCheckpoint(path: FullPath): boolean {
  return isWithin(path, directory) && path !== directory;
}

/** The value that stands at a checkpoint's path; null if there is none. */
export function checkpointValue(row: Row | null): string | null {
  return isLive(row) ? Buffer.from((JSON.parse(row.entry) as Entry).content ?? '', 'base64').toString('utf8') : null;
}

/** Writes a value if it differs from the one that stands; null = it does not. The path must be loaded. */
export function issueCheckpoint(draft: Draft, path: FullPath, value: string, now: Version): Dot | null {
  const row = draft.row(path);
  if (checkpointValue(row) === value) return null;
  const seconds = String(Math.floor(now / 1e6));
  const crtime = isLive(row) ? ((JSON.parse(row.entry) as Entry).attributes?.crtime ?? seconds) : seconds;
  const content = Buffer.from(value, 'utf8').toString('base64');
  return draft.issue({
    kind: 'put',
    path,
    entry: { name: '', isDirectory: false, attributes: { mtime: seconds, crtime, fileMode: 0o600, fileSize: String(Buffer.byteLength(value)) }, content },
  });
}

/** @throws FilerError PRECONDITION_FAILED if the store writes under another origin: it was wiped, restored, or has given up a branch */
export function mustBe({ identity }: Pick<Draft, 'identity'>, origin: Origin): void {
  if (identity.origin !== origin)
    throw new FilerError('PRECONDITION_FAILED', `this store writes under ${identity.origin}, not ${origin}; read the checkpoint again and go on from there`);
}

/** The checkpoints of one store, for operators: links write theirs with the changes they stand for. */
export class Checkpoints {
  constructor(
    private readonly log: Pick<ChangeLog, 'commit'>,
    private readonly store: Pick<StoreReader, 'list'>,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly limits: { readonly checkpointsMax: number; readonly pageBytesMax: number },
  ) {}

  /** All of them, by link. */
  async list(): Promise<Checkpoint[]> {
    const { checkpointsMax, pageBytesMax } = this.limits;
    const { names } = await this.store.list(directory, { after: '', limit: checkpointsMax, bytesMax: pageBytesMax });
    return names.flatMap(({ name, row }) => {
      const value = checkpointValue(row);
      return row === null || value === null ? [] : [{ link: name, value, version: row.version }];
    });
  }

  /**
   * Sets a link back, or forward; with `origin` only if the store writes under that.
   * @throws FilerError PARAMETER_INVALID, PRECONDITION_FAILED; what a write throws
   */
  set(link: string, value: string, origin?: Origin): Promise<Dot | null> {
    const path = checkpointPath(link);
    return this.log.commit({
      paths: [path],
      bytes: value.length + 500,
      decide: (draft) => {
        if (origin !== undefined) mustBe(draft, origin);
        return issueCheckpoint(draft, path, value, this.time.micros());
      },
    });
  }

  /** Forgets a link: it starts from the beginning. @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID; what a write throws */
  reset(link: string): Promise<Dot> {
    const path = checkpointPath(link);
    return this.log.commit({
      paths: [path],
      bytes: 500,
      decide: (draft) => {
        if (!isLive(draft.row(path)))
          throw new FilerError('ENTRY_NOT_FOUND', `no checkpoint of link ${link} is here; filer.sync.checkpoints lists those that are`);
        return draft.issue({ kind: 'delete', path });
      },
    });
  }
}
