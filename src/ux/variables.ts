/** The part of a flag that decides whether a variable stands for it. */
interface Named {
  readonly hidden?: boolean;
  readonly env?: string;
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
