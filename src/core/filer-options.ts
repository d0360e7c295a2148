import type { ReceiveChange } from './change/refused.js';
import type { MasterPort } from './cluster/member.js';
import { type limits as defaults } from './config/limits.js';
import type { Logger } from './logger.js';
import type { Peer } from './replication/peer.js';
import type { Store } from './store/store.js';
import type { TimeSource } from './time.js';

export type FilerLimits = { readonly [K in keyof typeof defaults]: number };

export interface FilerOptions {
  readonly store: Store;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: FilerLimits;
  /** host:port by which others reach this filer. */
  readonly address: string;
  /** Program name and version. */
  readonly program: string;
  /** Filers of different groups do not see each other. */
  readonly group: string;
  /** Random word of this process start. */
  readonly instance: string;
  readonly masters: readonly MasterPort[];
  readonly connect: (address: string) => Peer;
  /** An operator has said that this store is the first of its cluster. */
  readonly force: boolean;
  /** Decides which of the peers' changes are refused; left out, the rules of this program do. */
  readonly receive?: ReceiveChange;
}
