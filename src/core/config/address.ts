import { FilerError } from '../errors.js';

/** Where a server listens. `host` is a name, an IPv4 address, or an IPv6 address without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** RFC 1123 names and IPv4 addresses; underscores because container networks use them. */
const hostPattern = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i;
const v6Pattern = /^[0-9a-f:.]{2,45}$/i;

/**
 * Reads `host`, `host:port`, `[v6]`, `[v6]:port` or any of them after `http://`. `name` says in the message where the text came from.
 * @throws FilerError PARAMETER_INVALID
 */
export function parseAddress(text: string, name: string, defaultPort: number): Address {
  const invalid = (): FilerError =>
    new FilerError('PARAMETER_INVALID', `${name}: '${text}' is not an address; write host:port, such as localhost:${defaultPort}`);
  const bare = text.trim().replace(/^http:\/\/([^/]*)\/?$/i, '$1');
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(bare);
  if (!match) throw invalid();
  const [, v6, plain, portText] = match;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (port < 1 || port > 65_535) throw invalid();
  if (v6 !== undefined) {
    if (!v6Pattern.test(v6) || !v6.includes(':')) throw invalid();
    return { host: v6.toLowerCase(), port };
  }
  if (plain === undefined || !hostPattern.test(plain)) throw invalid();
  return { host: plain.toLowerCase(), port };
}

/** `host:port` as the member list, headers and URLs have it. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
