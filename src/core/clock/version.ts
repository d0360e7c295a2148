/**
 * The time of a change: a reading of a hybrid logical clock, whole microseconds since 1970. A safe integer, because
 * the greatest valid one is 2^52 (the year 2112).
 */
export type Version = number;

/** Above this a version is invalid anywhere. */
export const versionMax: Version = 2 ** 52;

/**
 * The clock counts only up to here, so that overwriting stays possible above the version of a filer with a bad clock:
 * 2^40 versions of room, and each overwrite uses one.
 */
export const clockMax: Version = 2 ** 52 - 2 ** 40;

export function isVersion(value: unknown): value is Version {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= versionMax;
}

/** RFC 3339 with microseconds. */
export function versionToRfc3339(version: Version): string {
  const ms = Math.floor(version / 1000);
  return new Date(ms).toISOString().replace('Z', `${String(version % 1000).padStart(3, '0')}Z`);
}
