import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { FilerError } from '../errors.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Where no filer can be, though something may answer there: cloud metadata services live on link-local addresses. */
const unusable = new BlockList();
unusable.addSubnet('0.0.0.0', 8, 'ipv4');
unusable.addSubnet('169.254.0.0', 16, 'ipv4');
unusable.addSubnet('224.0.0.0', 4, 'ipv4');
unusable.addAddress('255.255.255.255', 'ipv4');
unusable.addAddress('::', 'ipv6');
unusable.addSubnet('fe80::', 10, 'ipv6');
unusable.addSubnet('ff00::', 8, 'ipv6');

const hostNamePattern = /^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i;

/** The host of host:port, an IPv6 one without its brackets; null if `text` is anything else. */
function hostOf(text: string): string | null {
  const [, v6, plain, portText] = /^(?:\[([0-9a-f:.]+)\]|([^[\]:/?#@\s]+)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(portText);
  if (!(port >= 1 && port <= 65_535)) return null;
  if (v6 !== undefined) return isIPv6(v6) ? v6 : null;
  if (plain === undefined || isIPv4(plain)) return plain ?? null;
  // Resolvers read 127.1, 2130706433 and 0x7f.1 as addresses: a name whose last part is a number is none.
  const lastPart = plain.slice(plain.lastIndexOf('.') + 1);
  return plain.length <= 253 && hostNamePattern.test(plain) && !/^(\d+|0x[0-9a-f]*)$/i.test(lastPart) ? plain : null;
}

/** True for the addresses and the names of the machine itself. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return /^(.*\.)?localhost$/i.test(host);
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Refuses what a filer may not register: anything but host:port, addresses no filer can have, and loopback unless
 * `loopbackAllowed`, because each machine would take it for itself.
 * @throws FilerError PARAMETER_INVALID
 */
export function checkAddress(text: string, loopbackAllowed: boolean): void {
  const fault = faultOf(text, loopbackAllowed);
  if (fault !== null) throw new FilerError('PARAMETER_INVALID', `address: "${text.slice(0, 80)}" ${fault}`);
}

/** True for what `checkAddress` lets pass. */
export function isUsableAddress(text: string, loopbackAllowed: boolean): boolean {
  return faultOf(text, loopbackAllowed) === null;
}

function faultOf(text: string, loopbackAllowed: boolean): string | null {
  const host = hostOf(text);
  if (host === null) return 'is not host:port';
  const family = isIP(host);
  if (family !== 0 && unusable.check(host, family === 4 ? 'ipv4' : 'ipv6'))
    return 'is unspecified, link-local or multicast; start the filer with --ip and an address its peers can reach';
  if (!loopbackAllowed && isLoopback(host)) return 'means another machine to every peer; start the filer with --ip and an address its peers can reach';
  return null;
}
