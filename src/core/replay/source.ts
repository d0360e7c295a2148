import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { tailFeed, textsOf } from '../api/meta/tail.js';
import { askFiler } from '../api/meta/ask-filer.js';
import { contentHash } from '../change/digest.js';
import { ImportReader, type ImportedChange } from '../change/imported.js';
import { stampOf } from '../change/summary.js';
import { formatDot, formatPosition, parsePosition, positionDistance, type Origin, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { limits } from '../config/limits.js';
import { root } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { isAbort } from '../loop.js';
import type { Signer } from '../security/signer.js';
import type { TimeSource } from '../time.js';
import { parseRecord, RecordSplitter, type InputRecord } from './record-splitter.js';

/* Where a replay takes changes from: an input (a file, a pipe), or a filer's feed. */

/** One record of a source. */
export interface SourceRecord {
  /** Where it stands, for messages: `line 17`, or its dot. */
  readonly where: string;
  /** Null: an event that says nothing, or a malformed record. */
  readonly change: ImportedChange | null;
  /** The change on one line as it came; null if it has to be written anew. */
  readonly text: string | null;
  /** Why it is malformed; '' if it is not. */
  readonly problem: string;
}

export interface SourcePage {
  readonly records: readonly SourceRecord[];
  /** What goes into a checkpoint once these and all before them are there; null = nothing to go by yet. */
  readonly mark: string | null;
  /** How much of `total` has been read. */
  readonly done: number;
}

export interface ReplaySource {
  /** What it is called in messages. */
  readonly name: string;
  /** In `unit`; null = nobody knows. */
  readonly total: number | null;
  readonly unit: 'bytes' | 'changes';
  /** How to go on without a checkpoint, for a message; null if only from the start. */
  readonly resume: string | null;
  /** @throws FilerError; the signal's reason */
  pages(signal: AbortSignal): AsyncIterable<SourcePage>;
}

// ---- a file or a pipe

/** Where a replay of an input stopped. The last record tells whether it is the same input. */
interface InputMark {
  readonly source: 'input';
  /** Up to the end of the last record. */
  readonly bytes: number;
  /** Of the last record. */
  readonly line: number;
  readonly last: { readonly bytes: number; readonly hash: string };
  readonly versions: Readonly<Record<Origin, Version>>;
}

export interface InputOptions {
  readonly name: string;
  /** A file; null = `stream`. */
  readonly path: string | null;
  readonly stream: Readable;
  /** The checkpoint of an earlier replay. */
  readonly mark: string | null;
}

/** @throws FilerError USAGE if the checkpoint is one of something else; a file error */
export async function openInput(options: InputOptions): Promise<ReplaySource> {
  const mark = options.mark === null ? null : (readMark(options.mark, 'input') as InputMark);
  const file = options.path === null ? null : await stat(options.path);
  const total = file?.isFile() ? file.size : null;
  return { name: options.name, total, unit: 'bytes', resume: null, pages: (signal) => inputPages(options, total !== null, mark, signal) };
}

async function* inputPages(
  { name, path, stream, mark: text }: InputOptions,
  canSeek: boolean,
  mark: InputMark | null,
  signal: AbortSignal,
): AsyncGenerator<SourcePage> {
  const start = mark ? mark.bytes - mark.last.bytes : 0;
  const splitter = new RecordSplitter(limits.jsonBodyBytesMax, mark ? { bytes: start, line: mark.line } : undefined);
  const reader = new ImportReader(mark?.versions);
  let skipped = canSeek ? start : 0;
  let known = mark;
  let last = text;
  const page = (records: readonly InputRecord[]): SourcePage => {
    let fresh = records;
    const [first] = records;
    if (known && first) {
      if (first.text === null || contentHash(first.text) !== known.last.hash) throw otherInput(name);
      fresh = records.slice(1);
      known = null;
    }
    const read = fresh.map((record) => readRecord(`line ${record.line}`, record, reader));
    const end = fresh.findLast((record) => record.text !== null);
    if (end?.text != null) {
      const { versions } = reader;
      const next: InputMark = { source: 'input', bytes: end.end, line: end.line, last: { bytes: end.end - end.start, hash: contentHash(end.text) }, versions };
      last = JSON.stringify(next);
    }
    return { records: read, mark: last, done: records.at(-1)?.end ?? 0 };
  };
  const input = path === null ? addAbortSignal(signal, stream) : createReadStream(path, { ...(canSeek && { start }), highWaterMark: chunkBytes, signal });
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const rest = chunk.subarray(Math.min(chunk.length, start - skipped));
      skipped += chunk.length - rest.length;
      const records = splitter.push(rest);
      if (records.length > 0) yield page(records);
    }
  } catch (error) {
    if (isAbort(error, signal)) throw signal.reason;
    throw error;
  }
  const records = splitter.end();
  if (records.length > 0) yield page(records);
  if (known) throw otherInput(name);
}

/** Of a file; what is read while the target is busy goes together anyway. */
const chunkBytes = 128 * 1024;

function readRecord(where: string, { text, value, problem }: Pick<InputRecord, 'text' | 'value' | 'problem'>, reader: ImportReader): SourceRecord {
  if (text === null || problem !== '') return { where, change: null, text: null, problem };
  try {
    const isWritten = text.includes('"replication"') && !text.includes('\n');
    return { where, change: reader.read(value, 'change'), text: isWritten ? text : null, problem: '' };
  } catch (error) {
    if (!isFailure(error, 'BODY_INVALID')) throw error;
    return { where, change: null, text: null, problem: error.message };
  }
}

const otherInput = (name: string) =>
  new FilerError(
    'USAGE',
    `the checkpoint was written for another input than ${name}: the record at which it stopped is not there; give --checkpoint another name`,
  );

// ---- a feed

interface FeedMark {
  readonly source: 'feed';
  readonly position: string;
}

export interface FeedOptions {
  /** host:port */
  readonly address: string;
  /** Where to begin if there is no checkpoint. */
  readonly position: Position;
  readonly mark: string | null;
  readonly signer?: Signer;
  readonly time: TimeSource;
  away(error: FilerError): void;
  back(): void;
}

/** Also of a filer that has joined by a snapshot, whose log begins after it. */
function trimmed(address: string, error: FilerError): FilerError {
  const cure = `save its tree with kelp fs.meta.save --filer=${address} -o FILE /, and put it where it is wanted with kelp fs.meta.load FILE`;
  const fact = `${address} no longer has the changes after this place, or has never had them as changes`;
  return new FilerError(error.code, `${fact}; try the same with another filer, which may have kept more, or ${cure}`, error.fields, { cause: error });
}

/** The feed of a filer, up to its present end; its pages throw LOG_TRIMMED if that does not begin so early. @throws FilerError PEER_UNREACHABLE; USAGE if the checkpoint is one of something else */
export async function openFeed(options: FeedOptions, signal: AbortSignal): Promise<ReplaySource> {
  const { address, mark, signer, time, away, back } = options;
  const start = mark === null ? options.position : parsePosition((readMark(mark, 'feed') as FeedMark).position);
  const { position: head } = await askFiler(address, signer, (client) => client.info(signal));
  let reached = start;
  async function* pages(signal: AbortSignal): AsyncGenerator<SourcePage> {
    const tail = { address, start: { kind: 'position', position: start }, pathPrefix: root, follow: false, signer, time, away, back } as const;
    const reader = new ImportReader();
    try {
      for await (const { lines, position } of tailFeed(tail, signal)) {
        reached = position;
        const written: FeedMark = { source: 'feed', position: formatPosition(position) };
        const records = textsOf(lines).map((text) => readRecord(`change ${formatDot(stampOf(text))}`, { text, ...parseRecord(text) }, reader));
        yield { records, mark: JSON.stringify(written), done: positionDistance(position, start) };
      }
    } catch (error) {
      throw isFailure(error, 'LOG_TRIMMED') ? trimmed(address, error) : error;
    }
  }
  return {
    name: address,
    total: positionDistance(head, start),
    unit: 'changes',
    get resume() {
      return `--position=${formatPosition(reached)}`;
    },
    pages,
  };
}

/** @throws FilerError USAGE */
function readMark(text: string, source: 'input' | 'feed'): InputMark | FeedMark {
  try {
    const mark = JSON.parse(text) as InputMark | FeedMark;
    if (mark.source === source) return mark;
  } catch {
    // Somebody else's: told below.
  }
  throw new FilerError(
    'USAGE',
    `the checkpoint was written for something else than ${source === 'feed' ? 'a feed' : 'a file or a pipe'}; give --checkpoint another name`,
  );
}
