import { timingSafeEqual } from 'node:crypto';
import { limits } from '../config/limits.js';
import { FilerError, isFailure } from '../errors.js';
import type { TimeSource } from '../time.js';
import { Nonces } from './nonces.js';
import type { Secrets } from './secret-file.js';
import {
  audienceOfHost,
  emptyHash,
  hashOf,
  refusal,
  scheme,
  signatureHeaders,
  signatureOf,
  type ReceivedHeaders,
  type Refusal,
  type Signed,
} from './signature.js';

/** A request that has come, its body still unread. */
export interface Incoming {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** Names in lower case, Host among them. */
  readonly headers: ReceivedHeaders;
  /** The caller asks who this is: it cannot know the store id, nor be of the same cluster for certain. */
  readonly firstContact: boolean;
}

export interface VerifierOptions {
  readonly secrets: Secrets;
  readonly time: Pick<TimeSource, 'micros' | 'monotonic'>;
  /** The cluster this process belongs to; null = none yet. */
  readonly clusterId: () => string | null;
  /** What requests to this process name as their audience; null = it has no store, and its Host stands for it. */
  readonly storeId: (() => string) | null;
  readonly limits?: { readonly signatureWindowMs: number; readonly noncesMax: number };
}

/**
 * Tells whether a request was signed with one of the secrets, for this process, within the last minute, and for the first time.
 * The reason of a refusal is only as precise as the caller's proof: whoever does not hold a secret hears no more than that the signature does not fit.
 */
export class Verifier {
  readonly #nonces: Nonces;
  readonly #refused = new Map<Refusal, number>();
  readonly #windowMs: number;
  /** When it began, monotonic milliseconds: of requests dated before, nobody knows whether they were accepted. */
  readonly #since: number;

  constructor(private readonly options: VerifierOptions) {
    const { signatureWindowMs, noncesMax } = options.limits ?? limits;
    this.#nonces = new Nonces(signatureWindowMs, noncesMax);
    this.#windowMs = signatureWindowMs;
    this.#since = options.time.monotonic();
  }

  /** Requests refused so far, by reason. */
  get refused(): ReadonlyMap<Refusal, number> {
    return this.#refused;
  }

  /** Nonces remembered. */
  get nonces(): number {
    return this.#nonces.count;
  }

  /**
   * Returns what must be asked before the body is used: it throws SIGNATURE_INVALID if that is not the one that was signed.
   * @throws FilerError SIGNATURE_INVALID with `reason`; CLUSTER_MISMATCH; OVERLOADED if the nonce could not be remembered
   */
  verify(incoming: Incoming): (body: Buffer) => void {
    const { bodyHash } = this.#counting(() => this.#verify(incoming));
    return (body) =>
      this.#counting(() => {
        if ((body.length === 0 ? emptyHash : hashOf(body)) !== bodyHash)
          throw refusal('body', 'the body is not the one that was signed; it was changed on the way');
      });
  }

  #counting<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      const reason = isFailure(error, 'SIGNATURE_INVALID') ? (error.fields['reason'] as Refusal) : null;
      if (reason) this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
      throw error;
    }
  }

  #verify(incoming: Incoming): Signed {
    const { signed, signature } = read(incoming);
    let fits = false;
    // All of them, whichever fits: how long it takes must not tell.
    for (const secret of this.options.secrets.all) fits = timingSafeEqual(signatureOf(signed, secret), signature) || fits;
    if (!fits) throw refusal('mismatch', 'the signature does not fit: the caller has another secret, or method, target or headers were changed on the way');
    this.#checkAudience(signed.audience, incoming);
    this.#checkCluster(signed.clusterId, incoming.firstContact);
    this.#checkDate(signed);
    return signed;
  }

  #checkAudience(audience: string, { headers, firstContact }: Incoming): void {
    const { storeId } = this.options;
    const named = headerOf(headers, signatureHeaders.audience);
    if (named === null) {
      if (storeId === null || firstContact) return;
      throw refusal('audience', `it is signed for ${audience}; ask GET store who this is, then sign for its store id`);
    }
    if (storeId?.() !== named) throw refusal('audience', `it is signed for store ${named}, which is not here`);
  }

  #checkDate({ date, nonce }: Signed): void {
    const { time } = this.options;
    const nowMs = time.micros() / 1000;
    const dateMs = Date.parse(date);
    const ageMs = nowMs - dateMs;
    const fact = `it is dated ${date}, and here it is ${new Date(nowMs).toISOString()}`;
    const refused = (why: string) => refusal('date', `${fact}: ${why}`, { time: time.micros() });
    if (Math.abs(ageMs) > this.#windowMs) throw refused(`more than ${this.#windowMs / 1000} s apart; set the clock that is wrong`);
    if (ageMs > time.monotonic() - this.#since + graceMs) throw refused('before this process started, so it may have been used already; sign it anew');
    const taken = this.#nonces.take(nonce, dateMs, nowMs);
    if (taken === 'forgotten') throw refused('the clock here was set back, and what was used at that time is forgotten; wait, or restart this process');
    if (taken === 'repeated') throw refusal('nonce', `its nonce was used before, at ${date}; take a new one for every request`);
    if (taken === 'full')
      throw new FilerError('OVERLOADED', `${this.nonces} signed requests came within the last minutes, the most that are remembered; try again later`);
  }

  #checkCluster(clusterId: string, firstContact: boolean): void {
    const own = this.options.clusterId();
    if (clusterId === '' || own === null || clusterId === own || firstContact) return;
    throw new FilerError('CLUSTER_MISMATCH', `it is signed for cluster ${clusterId}, and this is ${own}; ask a process of the same cluster`, {
      clusterId: own,
    });
  }
}

/** How much before this process a request may be dated, since clocks are never quite the same; milliseconds. */
const graceMs = 1000;

const authorizationForm = new RegExp(`^${scheme} ([0-9a-f]{64})$`);

/** @throws FilerError SIGNATURE_INVALID */
function read({ method, target, headers }: Incoming): { signed: Signed; signature: Buffer } {
  const authorization = headerOf(headers, signatureHeaders.authorization);
  if (authorization === null) throw refusal('missing', 'this must be signed; start the caller with --secretFile');
  const hex = authorizationForm.exec(authorization)?.[1];
  if (hex === undefined) throw malformed(signatureHeaders.authorization, `${scheme} and 64 lower-case hex digits`);
  const audience = headerOf(headers, signatureHeaders.audience);
  const signed: Signed = {
    method,
    target,
    bodyHash: field(headers, signatureHeaders.bodyHash, /^[0-9a-f]{64}$/, '64 lower-case hex digits', emptyHash),
    date: field(headers, signatureHeaders.date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, 'a time such as 2026-11-22T10:00:00Z'),
    nonce: field(headers, signatureHeaders.nonce, /^[0-9A-Za-z_-]{16,64}$/, '16 to 64 letters and digits'),
    clusterId: field(headers, signatureHeaders.cluster, /^[0-9a-f]{16}$/, '16 lower-case hex digits', ''),
    audience: audience ?? audienceOfHost(headerOf(headers, 'host') ?? ''),
    headers,
  };
  if (Number.isNaN(Date.parse(signed.date))) throw malformed(signatureHeaders.date, 'a time such as 2026-11-22T10:00:00Z');
  return { signed, signature: Buffer.from(hex, 'hex') };
}

function field(headers: ReceivedHeaders, name: string, form: RegExp, described: string, absent?: string): string {
  const value = headerOf(headers, name) ?? absent;
  if (value === undefined || (value !== absent && !form.test(value))) throw malformed(name, described);
  return value;
}

function malformed(name: string, described: string): FilerError {
  return refusal('malformed', `${name} of a signed request must be ${described}`);
}

function headerOf(headers: ReceivedHeaders, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return typeof value === 'string' ? value : null;
}
