import { createHash, createHmac, type KeyObject } from 'node:crypto';
import { FilerError } from '../errors.js';

/*
 * How a request is signed (docs/protocol.md, "Signatures"). Signer and Verifier write the same text and compare its HMAC:
 *
 *   Kelp-HMAC-SHA256                  what this is
 *   GET                               method
 *   /.filer/v1/changes?limit=1        target, as sent
 *   e3b0c442…                         SHA-256 of the body
 *   2026-11-22T10:00:00.000Z          date
 *   9f6c1b2a3d4e5f60…                 nonce
 *   0123456789abcdef                  cluster id; empty if the caller has none
 *   fedcba9876543210                  audience: the receiver's store id, or the Host without its port
 *   filer-have:…                      every other Filer- header, by name
 */

export const scheme = 'Kelp-HMAC-SHA256';

/** Headers of a signature. */
export const signatureHeaders = {
  /** `Kelp-HMAC-SHA256 HEX` */
  authorization: 'Authorization',
  date: 'Filer-Date',
  nonce: 'Filer-Nonce',
  /** Absent = there is no body. */
  bodyHash: 'Filer-Content-SHA256',
  /** Absent = the caller has none. */
  cluster: 'Filer-Cluster',
  /** A store id; absent = the Host. */
  audience: 'Filer-Audience',
} as const;

/** SHA-256 of nothing. */
export const emptyHash = hashOf('');

/** Everything a signature covers. */
export interface Signed {
  readonly method: string;
  /** Path and query as they are sent. */
  readonly target: string;
  /** 64 lower-case hex digits. */
  readonly bodyHash: string;
  readonly date: string;
  readonly nonce: string;
  /** '' = the caller has none. */
  readonly clusterId: string;
  readonly audience: string;
  /** Of the request; those that a signature covers are taken out of it. */
  readonly headers: ReceivedHeaders;
}

/** Headers by name, in any case. */
export type ReceivedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The HMAC of a request, 32 bytes. */
export function signatureOf(signed: Signed, secret: KeyObject): Buffer {
  return createHmac('sha256', secret).update(textOf(signed)).digest();
}

/** SHA-256 as 64 lower-case hex digits. */
export function hashOf(body: string | Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Why a signature is refused, as a word for programs: `fields.reason` of the failure. */
export type Refusal = 'missing' | 'malformed' | 'mismatch' | 'date' | 'nonce' | 'audience' | 'body';

export function refusal(reason: Refusal, message: string, fields: Record<string, unknown> = {}): FilerError {
  return new FilerError('SIGNATURE_INVALID', message, { reason, ...fields });
}

/** A Host header without its port: a port may be forwarded. */
export function audienceOfHost(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

function textOf({ method, target, bodyHash, date, nonce, clusterId, audience, headers }: Signed): string {
  return [scheme, method, target, bodyHash, date, nonce, clusterId, audience, ...coveredHeaders(headers)].join('\n');
}

const ownHeaders: ReadonlySet<string> = new Set(Object.values(signatureHeaders).map((name) => name.toLowerCase()));

/** What a caller says of itself stands in headers (position, report, former origins), so they are signed as well. */
function coveredHeaders(headers: ReceivedHeaders): string[] {
  const lines: string[] = [];
  for (const name in headers) {
    const lower = name.toLowerCase();
    const value = headers[name];
    if (!lower.startsWith('filer-') || ownHeaders.has(lower) || value === undefined) continue;
    lines.push(`${lower}:${(typeof value === 'string' ? value : value.join(', ')).trim()}`);
  }
  return lines.sort();
}
