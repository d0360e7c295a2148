import { joinPositions, positionDistance, positionsEqual, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { FilerInfo, FilerState } from './peer.js';
import type { PeerReport } from './peer-report.js';
import type { SubscriptionState } from './subscription.js';

/* Who follows whom, and how far behind: from what all filers of a cluster said at one moment. Pure. */

/** One filer of the list, and what it answered; null if it did not. */
export interface Probe {
  readonly origin: Origin;
  readonly storeId: string;
  /** host:port */
  readonly address: string;
  /** What is said of it: by the master, or by the filers that follow it. */
  readonly state: 'up' | 'down';
  /** Where others last knew it. */
  readonly position: Position;
  /** RFC 3339; null if nobody can tell. */
  readonly lastHeard: string | null;
  readonly answer: { readonly info: FilerInfo; readonly peers: readonly PeerReport[] } | null;
  /** Why there is no answer. */
  readonly error: { readonly code: string; readonly error: string } | null;
}

/** unreachable: one of the two does not answer though it counts as up. unknown: the filer has not heard of the peer. */
export type PairState = SubscriptionState | FilerState | 'unreachable' | 'unknown';

/** How one filer follows one peer. */
export interface Pair {
  readonly filer: string;
  readonly filerOrigin: Origin;
  readonly peer: string;
  readonly peerOrigin: Origin;
  readonly state: PairState;
  /** Changes the peer has and the filer lacks; null if neither can be asked. */
  readonly behind: number | null;
  /** Age of the oldest of them, 0 if there is none; null = unknown. */
  readonly lagSeconds: number | null;
  /** Changes applied per second, by the filer's own word. */
  readonly rate: number;
  readonly etaSeconds: number | null;
  /** damaged: what a scrub found at one of the two. */
  readonly digest: 'equal' | 'different' | 'unknown' | 'damaged';
  /** When the filer last had an answer of the peer, RFC 3339. */
  readonly lastContact: string | null;
  /** The same as an age, on the filer's own clock. */
  readonly contactSeconds: number | null;
  /** How far the peer's clock is ahead of the filer's; null if they have never met. */
  readonly skewSeconds: number | null;
  readonly error: { readonly code: string; readonly error: string } | null;
  /** In step; a member that is down does not count. */
  readonly healthy: boolean;
}

/** A change that somebody lacks; `holder` has it. */
export interface Missing {
  readonly origin: Origin;
  readonly seq: Seq;
  readonly holder: string;
}

/** Seconds by `origin:seq`; null if it could not be found out. */
export type Ages = ReadonlyMap<string, number | null>;

/** The oldest change of each origin that each filer lacks and a peer has, every one once. */
export function missingOf(probes: readonly Probe[]): Missing[] {
  const missing = new Map<string, Missing>();
  for (const filer of probes) for (const peer of probes) for (const each of missingAt(filer, peer)) missing.set(keyOf(each), each);
  return [...missing.values()];
}

export const keyOf = ({ origin, seq }: Pick<Missing, 'origin' | 'seq'>): string => `${origin}:${seq}`;

function missingAt(filer: Probe, peer: Probe): Missing[] {
  if (!filer.answer || !peer.answer) return [];
  const { position: has } = filer.answer.info;
  const holder = peer.address;
  return [...peer.answer.info.position].flatMap(([origin, seq]) => {
    const next = (has.get(origin) ?? 0) + 1;
    return seq >= next ? [{ origin, seq: next, holder }] : [];
  });
}

/** One row for each filer and each of its peers, by address. */
export function pairsOf(probes: readonly Probe[], ages: Ages, maxLagSeconds: number): Pair[] {
  const sorted = [...probes].sort((a, b) => (a.address < b.address ? -1 : 1));
  const known = new Map(probes.map((probe) => [probe.origin, knownPosition(probe, probes)]));
  return sorted.flatMap((filer) => sorted.filter((peer) => peer !== filer).map((peer) => pairOf(filer, peer, known, ages, maxLagSeconds)));
}

/** What a filer is known to have at least: its own word, else what the others have heard of it and what it has acknowledged to them. */
function knownPosition(probe: Probe, probes: readonly Probe[]): Position {
  if (probe.answer) return probe.answer.info.position;
  let position = probe.position;
  for (const { answer } of probes) {
    const report = answer?.peers.find(({ origin }) => origin === probe.origin);
    if (!answer || !report) continue;
    const { origin, position: head } = answer.info;
    const acknowledged = new Map([[origin, Math.max(0, (head.get(origin) ?? 0) - report.ahead.events)]]);
    position = joinPositions(joinPositions(position, report.position), acknowledged);
  }
  return position;
}

function pairOf(filer: Probe, peer: Probe, known: ReadonlyMap<Origin, Position>, ages: Ages, maxLagSeconds: number): Pair {
  const report = filer.answer?.peers.find(({ origin }) => origin === peer.origin) ?? null;
  const behind = behindOf(filer, peer, known);
  const lagSeconds = lagOf(filer, peer, behind, report, ages);
  const digest = digestOf(filer, peer, report);
  const quarantined = quarantinedError(filer, peer);
  const { state, error = digestError(filer, peer, digest) ?? quarantined } = stateOf(filer, peer, report);
  const rate = report?.rate ?? 0;
  const counts = filer.state === 'up' && peer.state === 'up';
  const inStep =
    (state === 'following' || state === 'shared') && lagSeconds !== null && lagSeconds <= maxLagSeconds && (digest === 'equal' || digest === 'unknown');
  return {
    filer: filer.address,
    filerOrigin: filer.origin,
    peer: peer.address,
    peerOrigin: peer.origin,
    state,
    behind,
    lagSeconds,
    rate,
    etaSeconds: lagSeconds === null ? null : behind === 0 ? 0 : rate > 0 && behind !== null ? Math.ceil(behind / rate) : null,
    digest,
    lastContact: report?.lastContact ?? null,
    contactSeconds: report?.lastContact && filer.answer ? Math.max(0, filer.answer.info.time / 1e6 - Date.parse(report.lastContact) / 1000) : null,
    skewSeconds: report?.lastContact ? report.skewSeconds : null,
    error,
    healthy: !counts || (inStep && quarantined === null),
  };
}

function behindOf(filer: Probe, peer: Probe, known: ReadonlyMap<Origin, Position>): number | null {
  if (!filer.answer && !peer.answer) return null;
  return positionDistance(known.get(peer.origin) ?? new Map(), known.get(filer.origin) ?? new Map());
}

/** Never 0 where nobody can know: who does not answer may lack, or have, anything. */
function lagOf(filer: Probe, peer: Probe, behind: number | null, report: PeerReport | null, ages: Ages): number | null {
  if (!filer.answer || !peer.answer) return null;
  if (behind === 0) return 0;
  const found = missingAt(filer, peer).flatMap((missing) => ages.get(keyOf(missing)) ?? []);
  return found.length > 0 ? Math.max(...found) : (report?.behind.seconds ?? null);
}

function stateOf(filer: Probe, peer: Probe, report: PeerReport | null): { state: PairState; error?: NonNullable<Pair['error']> } {
  for (const probe of [filer, peer]) {
    if (probe.answer) continue;
    if (probe.state === 'down')
      return { state: 'down', error: { code: 'PEER_UNREACHABLE', error: `${probe.address} is down, last heard ${probe.lastHeard ?? 'never'}` } };
    return { state: 'unreachable', error: probe.error ?? undefined };
  }
  const own = filer.answer?.info.state ?? 'ready';
  if (own !== 'ready') return { state: own, error: report?.error ?? undefined };
  if (!report) return { state: 'unknown', error: { code: 'ENTRY_NOT_FOUND', error: `${filer.address} has not heard of ${peer.address}` } };
  return { state: report.state, error: report.error ?? undefined };
}

function digestOf(filer: Probe, peer: Probe, report: PeerReport | null): Pair['digest'] {
  const [a, b] = [filer.answer?.info, peer.answer?.info];
  if ((a?.damage ?? b?.damage ?? null) !== null) return 'damaged';
  if (!a || !b || a.quarantined.length > 0 || b.quarantined.length > 0) return 'unknown';
  if (a.digest === '' || b.digest === '') return 'unknown';
  if (positionsEqual(a.position, b.position)) return a.digest === b.digest ? 'equal' : 'different';
  return report?.digest ?? 'unknown';
}

/** Why two that follow each other well are not in step all the same; null = they are. */
function digestError(filer: Probe, peer: Probe, digest: Pair['digest']): Pair['error'] {
  const code = 'DIGEST_MISMATCH';
  for (const { address, answer } of [filer, peer])
    if (answer && (answer.info.damage ?? null) !== null) return { code, error: `${address}: ${answer.info.damage}` };
  if (digest !== 'different') return null;
  return { code, error: `${filer.address} and ${peer.address} hold different trees at one position; run kelp filer.store.id --check on both stores` };
}

/** What the filer could not apply of the peer's changes; null = nothing. */
function quarantinedError(filer: Probe, peer: Probe): Pair['error'] {
  const count = filer.answer?.info.quarantined.filter((dot) => dot.startsWith(`${peer.origin}:`)).length ?? 0;
  if (count === 0) return null;
  return {
    code: 'QUARANTINED',
    error: `${count} ${count === 1 ? 'change' : 'changes'} of ${peer.address} quarantined`,
  };
}
