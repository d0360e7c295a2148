import { stripVTControlCharacters } from 'node:util';
import { displayWidth, truncate } from './printable.js';
import { isLive, type Screen } from './terminal.js';

type Sink = Screen & { write(text: string): unknown };

const up = (lines: number): string => `\u001b[${lines}F`;
const [eraseLine, eraseBelow] = ['\u001b[2K', '\u001b[J'];

/**
 * A block of lines that is drawn again and again: in place on a terminal, and elsewhere written anew, but only when it has changed.
 * The lines may hold colours, no other escapes.
 */
export class LiveView {
  readonly #stream: Sink;
  readonly #live: boolean;
  #drawn = 0;
  #block: readonly string[] = [];
  #latest = '';

  constructor(stream: Sink = process.stdout, live: boolean = isLive(stream)) {
    this.#stream = stream;
    this.#live = live;
  }

  draw(lines: readonly string[]): void {
    if (!this.#live) {
      const block = lines.map((line) => `${line}\n`).join('');
      if (block !== this.#latest) this.#stream.write(block);
      this.#latest = block;
      return;
    }
    // One write, so that no half-drawn block is ever seen: up to the first line, each line over the old one, what is below erased. Erased all
    // at once, a block at the top of the screen would be a whole screen, and tmux keeps each of those in its history.
    const fitted = this.#fit(lines);
    const isOver = this.#drawn > 0;
    const block = fitted.map((line) => `${isOver ? eraseLine : ''}${line}\n`).join('');
    this.#stream.write(isOver ? `${up(this.#drawn)}${block}${eraseBelow}` : block);
    this.#drawn = fitted.length;
    this.#block = lines;
  }

  /** Takes the block away; the next `draw` starts where it stood. */
  clear(): void {
    if (this.#live && this.#drawn > 0) this.#stream.write(`${up(this.#drawn)}${`${eraseLine}\n`.repeat(this.#drawn)}${up(this.#drawn)}`);
    this.#drawn = 0;
  }

  /** Lets others write to the same terminal: the block goes below what they write, whole lines. */
  above(write: () => void): void {
    const block = this.#live && this.#drawn > 0 ? this.#block : null;
    this.clear();
    write();
    if (block !== null) this.draw(block);
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
