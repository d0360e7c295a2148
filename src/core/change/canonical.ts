import { limits } from '../config/limits.js';
import { FilerError } from '../errors.js';

/** True if every object in `value` has its keys in order already, so that JSON.stringify writes the canonical form. */
function isOrdered(value: unknown, what: string, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth >= limits.jsonDepthMax) throw new FilerError('BODY_INVALID', `${what}: may be nested at most ${limits.jsonDepthMax} deep`);
  if (Array.isArray(value)) {
    // All of them, in order or not: the depth must be known before anything is copied.
    return value.reduce<boolean>((all, item) => isOrdered(item, what, depth + 1) && all, true);
  }
  let all = true;
  let previous: string | undefined;
  for (const key in value) {
    if (previous !== undefined && key < previous) all = false;
    previous = key;
    const inner = (value as Record<string, unknown>)[key];
    if (typeof inner === 'object' && !isOrdered(inner, what, depth + 1)) all = false;
  }
  return all;
}

function ordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ordered);
  // A null prototype, so that a key "__proto__" stays a key.
  const copy = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(value).sort()) copy[key] = ordered((value as Record<string, unknown>)[key]);
  return copy;
}

/**
 * Canonical JSON (RFC 8785): keys sorted by UTF-16 units, no white space, numbers as JavaScript writes them. One value
 * has one text, so its hash means something. Integer-like keys, which JavaScript moves to the front of an object, are
 * written there on every side alike.
 * @throws FilerError BODY_INVALID naming `what` if it is nested too deep to be walked
 */
export function canonicalJson(value: unknown, what = 'value'): string {
  return JSON.stringify(isOrdered(value, what) ? value : ordered(value));
}
