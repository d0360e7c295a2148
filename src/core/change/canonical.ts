/** True if every object in `value` has its keys in order already, so that JSON.stringify writes the canonical form. */
function isOrdered(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (!isOrdered(item)) return false;
    return true;
  }
  let previous: string | undefined;
  for (const key in value) {
    if (previous !== undefined && key < previous) return false;
    previous = key;
    const inner = (value as Record<string, unknown>)[key];
    if (typeof inner === 'object' && !isOrdered(inner)) return false;
  }
  return true;
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
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(isOrdered(value) ? value : ordered(value));
}
