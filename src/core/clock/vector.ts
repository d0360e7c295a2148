import { FilerError } from '../errors.js';
import type { Version } from './version.js';

/** One change log with one writer: 16 lower-case hex digits. */
export type Origin = string;

/** Place in one origin's log: 1, 2, 3, … without a gap; 0 = before the first. */
export type Seq = number;

/** Names one change for ever. */
export interface Dot {
  readonly origin: Origin;
  readonly seq: Seq;
}

/** Per path: the newest version of each author that this path's state includes. */
export type Vector = Readonly<Record<Origin, Version>>;

/** Per filer: every change of that origin up to seq is in this store. An origin at 0 is known. */
export type Position = ReadonlyMap<Origin, Seq>;

const originPattern = /^[0-9a-f]{16}$/;

export function isOrigin(value: unknown): value is Origin {
  return typeof value === 'string' && originPattern.test(value);
}

export const isSeq = (value: unknown): value is Seq => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

export function formatDot(dot: Dot): string {
  return `${dot.origin}:${dot.seq}`;
}

/** @throws FilerError PARAMETER_INVALID */
export function parseDot(text: string): Dot {
  const [origin, seq, ...rest] = text.split(':');
  if (rest.length > 0 || !isOrigin(origin) || !/^\d{1,16}$/.test(seq ?? '') || !isSeq(Number(seq)))
    throw new FilerError('PARAMETER_INVALID', `"${text.slice(0, 60)}" is not a dot (origin:seq)`);
  return { origin, seq: Number(seq) };
}

/** Total order of dots: by origin, then by seq. Equal states under two dots keep the smaller. */
export function compareDots(a: Dot, b: Dot): number {
  return a.origin !== b.origin ? (a.origin < b.origin ? -1 : 1) : a.seq - b.seq;
}

// ---- vectors

/** True if the state with `vector` includes the change `version` of `author`. */
export function vectorIncludes(vector: Vector, author: Origin, version: Version): boolean {
  return (vector[author] ?? 0) >= version;
}

/** True if `a` includes everything `b` includes. */
export function vectorCovers(a: Vector, b: Vector): boolean {
  for (const author in b) if (!((a[author] ?? 0) >= (b[author] as Version))) return false;
  return true;
}

/** The maximum of both, author by author. Returns `a` itself if `b` adds nothing. */
export function mergeVectors(a: Vector, b: Vector): Vector {
  let merged: Record<Origin, Version> | undefined;
  for (const author in b) {
    const version = b[author] as Version;
    if (!((a[author] ?? 0) >= version)) (merged ??= { ...a })[author] = version;
  }
  return merged ?? a;
}

// ---- positions

export const emptyPosition: Position = new Map();

/** True if nothing at all has been applied: every origin is at 0. */
export function isEmptyPosition(position: Position): boolean {
  for (const seq of position.values()) if (seq > 0) return false;
  return true;
}

export function positionIncludes(position: Position, dot: Dot): boolean {
  return (position.get(dot.origin) ?? 0) >= dot.seq;
}

/** True if `a` has everything `b` has; origins at 0 do not count. */
export function positionCovers(a: Position, b: Position): boolean {
  for (const [origin, seq] of b) if ((a.get(origin) ?? 0) < seq) return false;
  return true;
}

/** Positions that differ only in zeros are equal. */
export function positionsEqual(a: Position, b: Position): boolean {
  return positionCovers(a, b) && positionCovers(b, a);
}

/** The maximum of both, origin by origin. Returns `a` itself if `b` adds nothing. */
export function joinPositions(a: Position, b: Position): Position {
  let joined: Map<Origin, Seq> | undefined;
  for (const [origin, seq] of b) if ((a.get(origin) ?? -1) < seq) (joined ??= new Map(a)).set(origin, seq);
  return joined ?? a;
}

/** How many changes `a` has that `b` lacks. */
export function positionDistance(a: Position, b: Position): number {
  let missing = 0;
  for (const [origin, seq] of a) missing += Math.max(0, seq - (b.get(origin) ?? 0));
  return missing;
}

/** `o1:42~o2:7`, sorted, zeros included. */
export function formatPosition(position: Position): string {
  return [...position]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([origin, seq]) => `${origin}:${seq}`)
    .join('~');
}

/** @throws FilerError PARAMETER_INVALID naming `what` */
export function parsePosition(text: string, what = 'position'): Position {
  const position = new Map<Origin, Seq>();
  if (text === '') return position;
  for (const part of text.split('~')) {
    try {
      const dot = parseDot(part);
      if (position.has(dot.origin)) throw new FilerError('PARAMETER_INVALID', `origin ${dot.origin} stands twice`);
      position.set(dot.origin, dot.seq);
    } catch (error) {
      throw new FilerError('PARAMETER_INVALID', `${what}: ${(error as Error).message}; write origin:seq~origin:seq`);
    }
  }
  return position;
}

/** As it stands in JSON bodies: an object with sorted keys. */
export function positionToJson(position: Position): Record<Origin, Seq> {
  return Object.fromEntries([...position].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws FilerError BODY_INVALID naming `what` */
export function positionFromJson(value: unknown, what = 'position'): Position {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FilerError('BODY_INVALID', `${what}: must be an object of origin to seq`);
  for (const [origin, seq] of Object.entries(value)) {
    if (!isOrigin(origin) || !isSeq(seq)) throw new FilerError('BODY_INVALID', `${what}.${origin.slice(0, 20)}: must be 16 hex digits and a whole number`);
  }
  return new Map(Object.entries(value) as [Origin, Seq][]);
}
