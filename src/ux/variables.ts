/** The part of a flag that decides whether a variable stands for it. */
interface Named {
  readonly hidden?: boolean;
  readonly env?: string;
  readonly exclusive?: readonly (string | { readonly name: string })[];
}

/** The variable that stands for a flag: `--ip.bind` is KELP_IP_BIND, `--secretFile` is KELP_SECRET_FILE; null if none does. */
export function variableOf(name: string, flag: Named): string | null {
  if (flag.env !== undefined) return flag.env;
  if (flag.hidden || name === 'json') return null;
  return `KELP_${name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

/**
 * Flags that exclude one that was typed. Their variables do not count: with KELP_FILER set for a whole session, `--store=DIR` still
 * means the folder.
 */
export function replacedBy(argv: readonly string[], flags: Readonly<Record<string, Named>>): Set<string> {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  const typed = new Set(words.flatMap((word) => /^--?([a-zA-Z][\w.]*)/.exec(word)?.[1] ?? []));
  const excludes = (one: string, other: string): boolean =>
    (flags[one]?.exclusive ?? []).some((each) => (typeof each === 'string' ? each : each.name) === other);
  return new Set(Object.keys(flags).filter((name) => !typed.has(name) && [...typed].some((other) => excludes(name, other) || excludes(other, name))));
}
