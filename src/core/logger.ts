/** Where the core says what happens. Lines are for operators: one fact a line, lower case, no secrets. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** The same sink with a longer namespace. */
  child(namespace: string): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A logger that calls `write` with `RFC3339 level namespace: message` for every line at `level` or above. */
export function createLogger(options: { level: LogLevel; write: (line: string) => void; now: () => Date; namespace?: string }): Logger {
  const { level, write, now, namespace = 'kelp' } = options;
  const threshold = logLevels.indexOf(level);
  const at = (own: Exclude<LogLevel, 'silent'>) => (message: string) => {
    // A message can hold a path or a peer's words: keep one fact on one line, and terminals safe.
    // eslint-disable-next-line no-control-regex
    const clean = message.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
    if (logLevels.indexOf(own) >= threshold) write(`${now().toISOString()} ${own.padEnd(5)} ${namespace}: ${clean}`);
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) => createLogger({ ...options, namespace: `${namespace}.${name}` }),
  };
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};
