import { formatAddress, parseAddress } from '../config/address.js';
import { childPath, nameOf, parsePath, parseUrlPath, root, type FullPath } from '../entry/path.js';
import { FilerError, messageOf } from '../errors.js';

/** A place in the tree of one filer. */
export interface Location {
  /** host:port */
  readonly address: string;
  readonly path: FullPath;
  /** True if it was written with a slash at its end: it means a directory. */
  readonly isInto: boolean;
}

const defaultPort = 8888;

/**
 * Reads `http://host:port/path`, percent-encoded as URLs are, or a plain path of the filer at `filer`, taken from the root if it does not
 * begin with a slash. `name` says in messages where the text came from.
 * @throws FilerError PARAMETER_INVALID
 */
export function parseLocation(text: string, filer: string, name: string): Location {
  const [, authority, encoded = ''] = /^http:\/\/([^/?#]*)([^]*)$/i.exec(text) ?? [];
  if (/^https:\/\//i.test(text)) throw invalid(name, 'filers speak plain HTTP; write http://');
  const address = authority === undefined ? filer : formatAddress(parseAddress(authority, name, defaultPort));
  if (/[?#]/.test(encoded)) throw invalid(name, 'an address takes no query; write ? as %3F and # as %23');
  try {
    const path = authority === undefined ? parsePath(text.startsWith('/') ? text : `/${text}`) : encoded === '' ? root : parseUrlPath(encoded);
    return { address, path, isInto: path === root || text.endsWith('/') };
  } catch (error) {
    throw invalid(name, messageOf(error));
  }
}

/** The same for a path that must stand in an address of its own, `http://host:port/path`. @throws FilerError PARAMETER_INVALID */
export function parseUrlLocation(text: string, name: string): Location {
  if (!/^https?:\/\//i.test(text)) throw invalid(name, `'${text.slice(0, 80)}' is not an address; write http://localhost:${defaultPort}/path`);
  return parseLocation(text, '', name);
}

/** The location as a person writes it: names as they are, not encoded. */
export function formatLocation({ address, path }: Pick<Location, 'address' | 'path'>): string {
  return `http://${address}${path}`;
}

/** What stands in a directory under the name that `from` has. */
export function into(directory: FullPath, from: FullPath): FullPath {
  return childPath(directory, nameOf(from));
}

function invalid(name: string, problem: string): FilerError {
  return new FilerError('PARAMETER_INVALID', `${name}: ${problem}`, { parameter: name });
}
