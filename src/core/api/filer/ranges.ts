import { createHash } from 'node:crypto';
import parseRange from 'range-parser';

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Parts of one answer; a request for more is answered with the whole file. */
const rangesMax = 16;

/**
 * What a `Range` header asks of `size` bytes: one part or several, those that overlap joined. Null: all of it, also if the header is
 * malformed, in another unit, or asks for too many parts, which HTTP lets a server ignore. `unsatisfiable`: nothing of what it asks is there.
 */
export function rangesOf(header: string | undefined, size: number): readonly ByteRange[] | 'unsatisfiable' | null {
  if (header === undefined) return null;
  // The last 10 bytes of 5 are all 5; the parser takes that for unsatisfiable.
  const [, last] = /^bytes=-(\d+)$/.exec(header) ?? [];
  if (last !== undefined && Number(last) > size && size > 0) return [{ start: 0, end: size - 1 }];
  if (header.split(',').length > rangesMax) return null;
  const ranges = parseRange(size, header, { combine: true });
  if (ranges === -2 || (ranges !== -1 && ranges.type !== 'bytes')) return null;
  if (ranges === -1) return header.startsWith('bytes=') ? 'unsatisfiable' : null;
  return ranges.map(({ start, end }) => ({ start, end }));
}

/** Several parts of a file as one body (RFC 9110, 14.6). The boundary is a hash of the content, which cannot hold it. */
export function byteRanges(content: Buffer, ranges: readonly ByteRange[], contentType: string): { contentType: string; body: Buffer } {
  const boundary = createHash('sha256').update(content).digest('hex').slice(0, 40);
  const parts = ranges.flatMap(({ start, end }) => [
    Buffer.from(`\r\n--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: bytes ${start}-${end}/${content.length}\r\n\r\n`, 'latin1'),
    content.subarray(start, end + 1),
  ]);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, body: Buffer.concat([...parts, Buffer.from(`\r\n--${boundary}--\r\n`)]) };
}
