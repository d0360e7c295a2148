import parseRange from 'range-parser';

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a `Range` header asks of `size` bytes. Null: all of it, also if the header is malformed, in another unit or names several parts,
 * which HTTP lets a server ignore. `unsatisfiable`: nothing of what it asks is there.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  if (header === undefined) return null;
  // The last 10 bytes of 5 are all 5; the parser takes that for unsatisfiable.
  const [, last] = /^bytes=-(\d+)$/.exec(header) ?? [];
  if (last !== undefined && Number(last) > size && size > 0) return { start: 0, end: size - 1 };
  const ranges = parseRange(size, header);
  if (ranges === -2 || (ranges !== -1 && (ranges.type !== 'bytes' || ranges.length !== 1))) return null;
  if (ranges === -1) return header.startsWith('bytes=') ? 'unsatisfiable' : null;
  return ranges[0] as ByteRange;
}
