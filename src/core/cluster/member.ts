import type { Origin, Position } from '../clock/vector.js';

/** What a filer says of itself when it registers, and what the master tells the others. */
export interface Announcement {
  readonly origin: Origin;
  readonly storeId: string;
  /** 16 hex digits; null until the filer has joined a cluster. */
  readonly clusterId: string | null;
  /** host:port, a hint: the origin is the peer. */
  readonly address: string;
  readonly engine: string;
  readonly kind: 'embedded' | 'shared';
  /** Random word of one process start. */
  readonly instance: string;
  readonly position: Position;
  /** Program name and version. */
  readonly program: string;
  /** Filers of different groups do not see each other. */
  readonly group: string;
}

export interface Member extends Announcement {
  readonly state: 'up' | 'down';
  /** Milliseconds since 1970 on the master's clock. */
  readonly lastHeard: number;
}

/** The members without those that are down and at whose address another one is up: nobody is there under that origin any more. */
export function withoutReplaced(members: readonly Member[]): readonly Member[] {
  const taken = new Set(members.filter(({ state }) => state === 'up').map(({ address }) => address));
  return members.filter(({ state, address }) => state === 'up' || !taken.has(address));
}

/** The whole list, at one version. `version` is opaque; positions and times do not change it. */
export interface MemberList {
  readonly clusterId: string | null;
  readonly version: string;
  /** The master's clock, microseconds since 1970. */
  readonly time: number;
  readonly members: readonly Member[];
}

/** What a filer needs of a master; provided over HTTP by api/master/client.ts. */
export interface MasterPort {
  readonly address: string;
  /**
   * Registers or renews; also the heartbeat. `masters` are the others that the filer registers with, named while it has no
   * cluster id: a master that has none either asks them before it makes one.
   * @throws FilerError ORIGIN_IN_USE, ADDRESS_IN_USE, CLUSTER_MISMATCH, TOPOLOGY_MIXED, PEER_UNREACHABLE
   */
  announce(announcement: Announcement, masters: readonly string[], signal: AbortSignal): Promise<MemberList>;
  /** Says that the filer stops: it is down at once instead of falling silent. Changes nothing if another process holds the origin. */
  leave(announcement: Announcement, signal: AbortSignal): Promise<void>;
  /** The list, at once if its version is not `version`, else when it changes or after the hold time. */
  members(version: string | null, group: string, signal: AbortSignal): Promise<MemberList>;
}
