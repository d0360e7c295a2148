/** How far something is that reads `total` of something, or nobody knows how much. */
export interface Progress {
  readonly done: number;
  /** Null = unknown. */
  readonly total: number | null;
  readonly seconds: number;
}

/** `12,345 changes, 8,230/s, 41 %, 18 s left`; what cannot be told is left out. */
export function progressText(changes: number, { done, total, seconds }: Progress): string {
  const rate = seconds > 0 ? Math.round(changes / seconds) : 0;
  const parts = [`${grouped(changes)} changes`, `${grouped(rate)}/s`];
  if (total !== null && total > 0 && done > 0) {
    const left = Math.max(0, Math.ceil((seconds / done) * (total - done)));
    parts.push(`${Math.min(100, Math.floor((100 * done) / total))} %`, `${timeText(left)} left`);
  }
  return parts.join(', ');
}

function timeText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** As toLocaleString would, which takes milliseconds to begin. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
