import { entryFromJson } from '../api/filer/entry-from-json.js';
import { entryToJson } from '../api/filer/entry-json.js';
import type { EntryJson } from '../api/filer/protocol.js';
import { checkEntry } from '../change/codec.js';
import { withoutEmpty, type Entry } from '../entry/entry.js';
import { joinPath, nameOf, parentOf, parsePath, type FullPath } from '../entry/path.js';
import { FilerError, messageOf } from '../errors.js';

/*
 * One saved entry is one line of JSON: what `weed fs.meta.save` keeps of it, in the words of protobuf JSON, empty fields left out.
 *
 *   {"dir":"/docs","entry":{"name":"a.txt","isDirectory":false,"attributes":{…},"extended":{…},"chunks":[…],"content":"aGVsbG8="}}
 */

/** The entry of a path in the words of protobuf JSON, without empty fields. */
export function entryOfJson(json: EntryJson): Entry {
  return withoutEmpty(entryFromJson(json), nameOf(json.FullPath as FullPath));
}

export function encodeRecord(json: EntryJson): string {
  return JSON.stringify({ dir: parentOf(json.FullPath as FullPath), entry: entryOfJson(json) });
}

/** @param where says in messages where the line stands. @throws FilerError BODY_INVALID */
export function decodeRecord(line: string, where: string): { readonly path: FullPath; readonly entry: EntryJson } {
  try {
    const record = JSON.parse(line) as { dir?: unknown; entry?: unknown } | null;
    if (typeof record?.dir !== 'string') throw new FilerError('BODY_INVALID', 'dir: must be a path');
    const entry = checkEntry(record.entry, 'entry');
    const path = joinPath(parsePath(record.dir), entry.name);
    return { path, entry: entryToJson({ path, isDirectory: entry.isDirectory, entry, row: null, children: 0 }) };
  } catch (error) {
    throw new FilerError('BODY_INVALID', `${where}: ${messageOf(error)}`, {}, { cause: error });
  }
}
