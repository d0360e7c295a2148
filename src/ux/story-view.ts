import { LiveView } from './live-view.js';
import { printable } from './printable.js';
import { plainStyle, type Style } from './style.js';
import { widthOf, type Screen } from './terminal.js';
import { wrap } from './wrap.js';

/** Columns of the labels. */
const labelWidth = 10;
/** Least time between two drawings on a terminal, and between two lines about progress elsewhere, milliseconds. */
const redrawMs = 100;
const plainProgressMs = 3000;
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Lines that stay, one below the other, and on a terminal below them what changes: a line about progress and a block of lines.
 * Elsewhere there is no block, and progress is a line now and then.
 */
export class StoryView {
  readonly #view: LiveView;
  readonly #width: number | null;
  #label = '';
  #progress: string | null = null;
  #block: readonly string[] = [];
  #drawnAt = 0;
  #progressAt = performance.now();
  #frame = 0;

  constructor(
    private readonly stream: Screen & { write(text: string): unknown },
    private readonly live: boolean,
    private readonly style: Style = plainStyle,
  ) {
    this.#view = new LiveView(stream, live);
    this.#width = live ? widthOf(stream) : null;
  }

  /** A line that stays. The label stands only before the first of several lines; a hostile character is escaped. */
  line(label: string, text: string, paint: (text: string) => string = (plain) => plain): void {
    const shown = label === this.#label ? '' : label;
    this.#label = label;
    const [first = '', ...more] = wrap(printable(text), (this.#width ?? Infinity) - labelWidth);
    const lines = [this.style.heading(shown.padEnd(labelWidth)) + paint(first), ...more.map((line) => ' '.repeat(labelWidth) + paint(line))];
    this.raw(lines.map((line) => `${line}\n`).join(''));
  }

  /** Text that stays as it is; it ends in a newline. */
  raw(text: string): void {
    this.#view.clear();
    this.stream.write(text);
    this.#draw(true);
  }

  /** What is going on now; null = nothing. */
  progress(text: string | null): void {
    this.#progress = text;
    const now = performance.now();
    if (this.live) this.#draw(false);
    else if (text === null) this.#progressAt = now;
    else if (now - this.#progressAt >= plainProgressMs) {
      this.#progressAt = now;
      this.line(this.#label, text);
    }
  }

  /** The block below the lines. */
  block(lines: readonly string[]): void {
    this.#block = lines;
    this.#draw(false);
  }

  /** Leaves everything as it stands. */
  end(): void {
    this.#progress = null;
    this.#draw(true);
    this.#view.end();
  }

  #draw(atOnce: boolean): void {
    const now = performance.now();
    if (!this.live || (!atOnce && now - this.#drawnAt < redrawMs)) return;
    this.#drawnAt = now;
    this.#frame += 1;
    const progress = this.#progress === null ? [] : [`${frames[this.#frame % frames.length]} ${printable(this.#progress)}`];
    const lines = [...progress, ...this.#block];
    if (lines.length > 0) this.#view.draw(['', ...lines]);
    else this.#view.clear();
  }
}
