import { bucketCount } from '../../change/digest.js';
import { positionToJson, type Position } from '../../clock/vector.js';
import { parsePath, type FullPath } from '../../entry/path.js';
import { messageOf } from '../../errors.js';
import type { DirectorySum } from '../../store/store.js';
import { Fields, invalidField } from './fields.js';
import { formatAfter, parseAfter } from './snapshot-page.js';

/*
 * GET digest?bucket=N&after=…&limit=…: the digests of the directories of one bucket, each of what is directly in it.
 *
 *   {"position":{},"bucket":17,"directories":[{"path":"/a","entries":2,"digest":"0123456789ab"}],"next":"opaque"|null}
 *
 * Two filers whose digests of a directory are equal hold the same rows there.
 */

export interface DirectoryDigests {
  /** Every change up to here is in the sums; later ones may be. */
  readonly position: Position;
  readonly bucket: number;
  /** In byte order of paths; those without live rows are left out. */
  readonly sums: readonly DirectorySum[];
  /** The last one of this page; null = nothing follows. */
  readonly next: FullPath | null;
}

export function directoryDigestsToJson({ position, bucket, sums, next }: DirectoryDigests): Record<string, unknown> {
  const directories = sums.map(({ directory, entries, sum }) => ({ path: directory, entries, digest: sum.toString(16).padStart(12, '0') }));
  return { position: positionToJson(position), bucket, directories, next: next && formatAfter(next) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function directoryDigestsFromJson(body: unknown): DirectoryDigests {
  const page = new Fields(body);
  const bucket = page.whole('bucket');
  if (bucket >= bucketCount) throw invalidField('bucket', `must be below ${bucketCount}`);
  return {
    position: page.position('position'),
    bucket,
    sums: page.list('directories').map((one, index) => ({
      directory: pathFrom(one, `directories[${index}].path`),
      entries: one.whole('entries'),
      sum: parseInt(one.hex('digest', 12), 16),
    })),
    next: page.nullable('next', (name) => parseAfter(page.text(name, Infinity)) ?? fail('next', 'must be what the filer gave')),
  };
}

function pathFrom(fields: Fields, field: string): FullPath {
  const text = fields.text('path', Infinity);
  let path: FullPath;
  try {
    path = parsePath(text);
  } catch (error) {
    throw invalidField(field, messageOf(error));
  }
  return path === text ? path : fail(field, 'must be in normal form');
}

function fail(field: string, rule: string): never {
  throw invalidField(field, rule);
}
