/** What a duration may look like, for messages. */
export const durationForm = 'a duration such as 300ms, 25s, 1.5h or 2h45m, or plain seconds';

const msPerUnit: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Milliseconds of a Go duration (`1.5h`, `2h45m`, `300ms`) or of plain seconds (`25`, `0.5`); null if it is neither. Never negative. */
export function parseDuration(text: string): number | null {
  if (/^(\d+\.?\d*|\.\d+)$/.test(text)) return withinReach(Number(text) * 1000);
  let ms = 0;
  part.lastIndex = 0;
  do {
    const match = part.exec(text);
    if (!match) return null;
    ms += Number(match[1]) * (msPerUnit[match[2] as string] as number);
  } while (part.lastIndex < text.length);
  return withinReach(ms);
}

function withinReach(ms: number): number | null {
  return Number.isSafeInteger(Math.ceil(ms)) ? ms : null;
}

/** The two biggest units that matter: `350ms`, `1.2s`, `3m10s`, `2h5m`. Can be parsed again. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(1))}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return joined(seconds, 60, 'm', 's');
  return joined(Math.round(seconds / 60), 60, 'h', 'm');
}

function joined(count: number, per: number, big: string, small: string): string {
  const rest = count % per;
  return `${Math.floor(count / per)}${big}${rest === 0 ? '' : `${rest}${small}`}`;
}
