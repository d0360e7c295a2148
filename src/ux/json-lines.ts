import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Writes each value as one line of JSON, in one write. Resolves when `stream` can take more, so that a slow reader slows the writer
 * and nothing piles up in memory.
 */
export async function writeJsonLines(stream: Writable, values: readonly unknown[]): Promise<void> {
  await writeLines(
    stream,
    values.map((value) => JSON.stringify(value)),
  );
}

/** Like `writeJsonLines`, for lines that are text already; they must hold no newline. */
export async function writeLines(stream: Writable, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  if (!stream.write(`${lines.join('\n')}\n`)) await once(stream, 'drain');
}

/** Writes whole lines as they are, in one write; resolves as `writeLines` does. */
export async function writePieces(stream: Writable, pieces: readonly Buffer[]): Promise<void> {
  stream.cork();
  for (const piece of pieces) stream.write(piece);
  stream.uncork();
  if (stream.writableNeedDrain) await once(stream, 'drain');
}

/** Lines to `stream`, written some hundred at a time: a write each would take longer than making them. */
export class LineWriter {
  static readonly #linesMax = 500;
  #lines: string[] = [];

  constructor(private readonly stream: Writable) {}

  /** Resolves at once, or when the stream can take more. */
  async write(line: string): Promise<void> {
    this.#lines.push(line);
    if (this.#lines.length >= LineWriter.#linesMax) await this.end();
  }

  /** Writes what is left. */
  async end(): Promise<void> {
    await writeLines(this.stream, this.#lines.splice(0));
  }
}
