/** The name among `names` that `typed` was most likely meant to be; null if none is near. */
export function nearest(typed: string, names: readonly string[]): string | null {
  const ranked = names.map((name) => ({ name, steps: editSteps(typed, name) })).sort((a, b) => a.steps - b.steps);
  const best = ranked[0];
  return best && best.steps <= Math.max(1, Math.floor(best.name.length / 3)) ? best.name : null;
}

/** The command that `words` name when joined by dots, as in `filer peers`; the longest one wins. */
export function dotted(words: readonly string[], commands: readonly string[]): string | null {
  const names = words.slice(0, 4).map((word) => word.toLowerCase());
  for (let length = names.length; length > 1; length -= 1) {
    const name = names.slice(0, length).join('.');
    if (commands.includes(name)) return name;
  }
  return null;
}

/** Single-letter changes, swaps of neighbours included, that turn `a` into `b`. */
function editSteps(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      rows[i]?.push(Math.min(changed, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(a.length, b.length);
}
