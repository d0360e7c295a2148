import type { TimeSource } from '../time.js';
import { audienceOfHost, emptyHash, hashOf, scheme, signatureHeaders, signatureOf } from './signature.js';
import type { Secrets } from './secret-file.js';

/** A request that is about to be sent. */
export interface Outgoing {
  readonly method: string;
  /** Path and query as they will be sent. */
  readonly target: string;
  /** host:port */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
  /** Store id of the receiver; absent = its Host stands for it: a master has none, and a filer's is unknown before it has said it. */
  readonly audience: string | undefined;
}

/** Where requests are answered only if they are signed, once there is a secret. */
const signedPaths = ['/.filer/', '/cluster/'] as const;

/** Signs what is sent to other processes of the cluster. */
export class Signer {
  constructor(
    private readonly options: {
      readonly secrets: Secrets;
      readonly time: Pick<TimeSource, 'micros' | 'randomHex'>;
      /** The cluster the caller belongs to; null = none yet, or it cannot know. */
      readonly clusterId?: () => string | null;
    },
  ) {}

  /** True if a signature is asked for there. */
  signs(target: string): boolean {
    return signedPaths.some((prefix) => target.startsWith(prefix));
  }

  /** The headers to add to those of the request; none where no signature is asked for. */
  sign({ method, target, address, headers, body, audience }: Outgoing): Record<string, string> {
    if (!this.signs(target)) return {};
    const { secrets, time, clusterId: ownCluster } = this.options;
    const bodyHash = body === undefined || body.length === 0 ? emptyHash : hashOf(body);
    const date = new Date(time.micros() / 1000).toISOString();
    const nonce = time.randomHex(nonceBytes);
    const clusterId = ownCluster?.() ?? '';
    const signed = { method, target, bodyHash, date, nonce, clusterId, audience: audience ?? audienceOfHost(address), headers };
    return {
      [signatureHeaders.authorization]: `${scheme} ${signatureOf(signed, secrets.all[0]).toString('hex')}`,
      [signatureHeaders.date]: date,
      [signatureHeaders.nonce]: nonce,
      ...(bodyHash !== emptyHash && { [signatureHeaders.bodyHash]: bodyHash }),
      ...(clusterId !== '' && { [signatureHeaders.cluster]: clusterId }),
      ...(audience !== undefined && { [signatureHeaders.audience]: audience }),
    };
  }
}

const nonceBytes = 16;
