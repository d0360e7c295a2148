import { isOrigin, type Origin } from '../../clock/vector.js';
import { parsePath, type FullPath } from '../../entry/path.js';
import { FilerError, messageOf } from '../../errors.js';
import { invalidParameter, type Query } from '../../http/params.js';

/** A path as a query has it; undefined if it has none. @throws FilerError PARAMETER_INVALID naming the parameter */
export function readPath(query: Query, name: string): FullPath | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  try {
    return parsePath(text);
  } catch (error) {
    throw new FilerError('PARAMETER_INVALID', `${name}: ${messageOf(error)}`);
  }
}

/** The origin that a write is meant for; undefined if a query names none. @throws FilerError PARAMETER_INVALID */
export function readOrigin(query: Query): Origin | undefined {
  const text = query.get('origin');
  if (text === null) return undefined;
  if (!isOrigin(text)) throw invalidParameter('origin', text, '16 lower-case hex digits');
  return text;
}
