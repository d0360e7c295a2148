import type { IncomingMessage } from 'node:http';
import { limits } from '../config/limits.js';
import { FilerError } from '../errors.js';
import type { Verifier } from '../security/verifier.js';
import type { IncomingRequest } from './incoming.js';
import type { Role, Route } from './router.js';

/** Methods that change nothing, so that a browser may send them from any page; it cannot read the answer there. */
const safeMethods = new Set(['GET', 'HEAD']);

/**
 * What every request must pass before its handler sees it. A page in a browser on this machine can reach our port:
 * by a name it controls that resolves to us (refused by Host), or by posting a form from its own site (refused by Origin).
 * @throws FilerError PARAMETER_INVALID, HOST_REFUSED
 */
export function refuseForeign(incoming: IncomingMessage, hosts: ReadonlySet<string>): void {
  const { rawHeaders, headers, socket } = incoming;
  // Node drops what is beyond its limit in silence; the server's limit is one more than ours.
  if (rawHeaders.length / 2 > limits.headersMax) throw new FilerError('PARAMETER_INVALID', `a request may have at most ${limits.headersMax} headers`);
  if (!incoming.url?.startsWith('/')) throw new FilerError('PATH_INVALID', 'the request target must start with "/"');

  let named = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i] as string)) named += 1;
  const host = headers.host?.toLowerCase();
  if (named !== 1 || !host)
    throw new FilerError('PARAMETER_INVALID', `a request must have one Host header, this one has ${named === 1 ? 'an empty one' : named}`);
  const name = host.replace(/:\d*$/, '');
  // An address is no name that somebody else could point at us, so the one that was dialled is ours too.
  if (!hosts.has(name) && name !== hostOf(socket.localAddress ?? '')) {
    throw new FilerError('HOST_REFUSED', `"${name.slice(0, 80)}" is not a name of this process; ask for ${[...hosts].join(', ')}, or start it with --ip`);
  }

  if (safeMethods.has(incoming.method ?? '')) return;
  const site = headers['sec-fetch-site'];
  const foreign = (site !== undefined && site !== 'same-origin' && site !== 'none') || (headers.origin !== undefined && !isOriginAt(headers.origin, host));
  if (foreign) throw new FilerError('HOST_REFUSED', 'a page of another site may not write here');
}

const isHost = (name: string) => name.length === 4 && name.toLowerCase() === 'host';

/** What each role asks of a request once there is a secret. A role without a row does not build. */
const askedBy: Readonly<Record<Role, 'nothing' | 'signature'>> = { open: 'nothing', client: 'nothing', peer: 'signature', admin: 'signature' };

/**
 * What a request must pass before the handler of its route sees it. Its body, if it has one, is checked when it is read.
 * @throws FilerError SIGNATURE_INVALID, CLUSTER_MISMATCH, OVERLOADED
 */
export function admit(request: IncomingRequest, { role, firstContact = false }: Route, verifier: Verifier | null): void {
  if (verifier === null || askedBy[role] === 'nothing') return;
  const { method, target, headers } = request;
  request.expectBody(verifier.verify({ method, target, headers, firstContact }));
}

/** An address or name as it stands in a Host header, without a port. */
export function hostOf(address: string): string {
  const plain = address
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  return plain.includes(':') ? `[${plain}]` : plain;
}

function isOriginAt(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}
