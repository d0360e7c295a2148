import CliTable from 'cli-table3';
import { displayWidth, printable, truncate, truncateStart } from './printable.js';
import { plainStyle, type Style } from './style.js';

export interface Column<Row> {
  readonly header: string;
  /** The plain text of a cell; null prints as `-`. */
  value(row: Row): string | number | null;
  readonly align?: 'left' | 'right';
  /** Columns with the greatest number are dropped first where the terminal is narrow; without one a column always stays. */
  readonly dropOrder?: number;
  /** Where there is no room for all of a cell, its end stays instead of its start: the port of an address. */
  readonly keepsEnd?: boolean;
  /** Colour of a cell on a terminal. */
  paint?(row: Row, style: Style): (text: string) => string;
}

export interface TableOptions {
  /** Columns of the terminal; null = not a terminal. */
  readonly width: number | null;
  readonly style?: Style;
}

const gap = 2;

/**
 * Rows as text that ends in a newline, headings first: aligned on a terminal, tab-separated in a pipe. Hostile characters in cells are
 * escaped in both.
 */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: TableOptions): string {
  const cells = rows.map((row) => columns.map((column) => printable(String(column.value(row) ?? '-'))));
  if (options.width === null) {
    return [columns.map((column) => column.header), ...cells].map((line) => `${line.join('\t')}\n`).join('');
  }
  const style = options.style ?? plainStyle;
  const widths = columns.map((column, index) => Math.max(displayWidth(column.header), ...cells.map((line) => displayWidth(line[index] ?? ''))));
  const shown = fitting(columns, widths, options.width);
  const rooms = narrowed(shown, widths, options.width);
  const fit = (text: string, index: number, keepsEnd = false): string => {
    const room = rooms.get(index) ?? 1;
    return keepsEnd ? truncateStart(text, room) : truncate(text, room);
  };

  const table = new CliTable({
    chars: borderless,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    colAligns: shown.map((index) => columns[index]?.align ?? 'left'),
  });
  table.push(shown.map((index) => style.heading(fit(columns[index]?.header ?? '', index))));
  for (const [place, row] of rows.entries()) {
    table.push(
      shown.map((index) => {
        const text = fit(cells[place]?.[index] ?? '', index, columns[index]?.keepsEnd);
        return columns[index]?.paint?.(row, style)(text) ?? text;
      }),
    );
  }
  // Trailing blanks would wrap in a terminal that is exactly as wide as the table.
  return `${table.toString().replace(/[ \t]+$/gm, '')}\n`;
}

/** Indexes of the columns that fit into `width`, dropping by `dropOrder`. */
function fitting<Row>(columns: readonly Column<Row>[], widths: readonly number[], width: number): number[] {
  const shown = columns.map((_, index) => index);
  const needed = (): number => shown.reduce((sum, index) => sum + (widths[index] ?? 0), 0) + gap * (shown.length - 1);
  const droppable = shown.filter((index) => columns[index]?.dropOrder !== undefined);
  droppable.sort((a, b) => (columns[b]?.dropOrder ?? 0) - (columns[a]?.dropOrder ?? 0));
  for (const index of droppable) {
    if (needed() <= width) break;
    shown.splice(shown.indexOf(index), 1);
  }
  return shown;
}

/** How wide each column may be: the last gives way first, then always the widest, so that no line wraps. */
function narrowed(shown: readonly number[], widths: readonly number[], width: number): Map<number, number> {
  const rooms = new Map(shown.map((index) => [index, widths[index] ?? 0]));
  let over = [...rooms.values()].reduce((sum, room) => sum + room, gap * (shown.length - 1)) - width;
  const take = (index: number, atMost: number): void => {
    const room = rooms.get(index) ?? 0;
    const taken = Math.max(0, Math.min(over, atMost, room - 1));
    rooms.set(index, room - taken);
    over -= taken;
  };
  const last = shown.at(-1);
  if (over > 0 && last !== undefined) take(last, Math.max(0, (widths[last] ?? 0) - lastWidthMin));
  while (over > 0) {
    const [widest, room] = [...rooms].reduce((most, each) => (each[1] > most[1] ? each : most));
    if (room <= 1) break;
    take(widest, 1);
  }
  return rooms;
}

/** What the last column keeps while others are wider, so that an error can be told from another. */
const lastWidthMin = 8;

const borderless = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(gap),
};
