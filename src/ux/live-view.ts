import { stripVTControlCharacters } from 'node:util';
import { displayWidth, truncate } from './printable.js';
import { isLive, type Screen } from './terminal.js';

type Sink = Screen & { write(text: string): unknown };

/**
 * A block of lines that is drawn again and again: in place on a terminal, and elsewhere written anew, but only when it has changed.
 * The lines may hold colours, no other escapes.
 */
export class LiveView {
  readonly #stream: Sink;
  readonly #live: boolean;
  #drawn = 0;
  #latest = '';

  constructor(stream: Sink = process.stdout, live: boolean = isLive(stream)) {
    this.#stream = stream;
    this.#live = live;
  }

  draw(lines: readonly string[]): void {
    const block = (this.#live ? this.#fit(lines) : lines).map((line) => `${line}\n`).join('');
    if (!this.#live) {
      if (block !== this.#latest) this.#stream.write(block);
      this.#latest = block;
      return;
    }
    // One write, so that no half-drawn block is ever seen: up to the first line, erase to the end of the screen, draw.
    this.#stream.write(`${this.#drawn > 0 ? `\u001b[${this.#drawn}F\u001b[J` : ''}${block}`);
    this.#drawn = Math.min(lines.length, this.#height());
  }

  /** Takes the block away; the next `draw` starts where it stood. */
  clear(): void {
    if (this.#live && this.#drawn > 0) this.#stream.write(`\u001b[${this.#drawn}F\u001b[J`);
    this.#drawn = 0;
  }

  /** Leaves the block where it is; the next `draw` starts below it. */
  end(): void {
    this.#drawn = 0;
  }

  /** A line that wraps or a block that scrolls could not be erased again. */
  #fit(lines: readonly string[]): string[] {
    const columns = this.#stream.columns ?? 80;
    return lines.slice(0, this.#height()).map((line) => {
      const text = stripVTControlCharacters(line);
      return displayWidth(text) <= columns ? line : truncate(text, columns);
    });
  }

  #height(): number {
    return Math.max(1, (this.#stream.rows ?? 24) - 1);
  }
}
