import { isFailure, messageOf } from './errors.js';
import type { Membership } from './cluster/membership.js';
import type { Member } from './cluster/member.js';
import type { Admission } from './filer-admission.js';
import type { PeerReport } from './replication/peer-report.js';

export interface ReadinessNote {
  readonly code: string;
  readonly error: string;
}

/** Whether a filer is fit for traffic, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly ReadinessNote[];
  /** What an operator should see to, though it keeps nobody from working here. */
  readonly warnings: readonly ReadinessNote[];
}

export interface ReadinessParts {
  readonly admission: Pick<Admission, 'mustWrite' | 'isRefused'>;
  /** What keeps the store from being filled, in one line; '' = nothing does. */
  readonly waitsFor: string;
  /** What a scrub has found; null = nothing. */
  readonly damage: string | null;
  readonly membership: Pick<Membership, 'outcast' | 'silentMs'>;
  readonly members: readonly Pick<Member, 'origin' | 'state'>[];
  readonly peers: readonly PeerReport[];
  /** How many changes are quarantined. */
  readonly quarantined: number;
  /** Without a word from any master for so long, the silence of a peer says that it is down, milliseconds. */
  readonly memberDownMs: number;
}

/** Fit for traffic: joined, and every member that is up is followed with a lag of at most `lagSecondsMax`. */
export function readinessOf(parts: ReadinessParts, lagSecondsMax: number): Readiness {
  const { admission, waitsFor, damage, membership, members, quarantined } = parts;
  const reasons: ReadinessNote[] = [];
  try {
    admission.mustWrite();
  } catch (error) {
    reasons.push({ code: isFailure(error) ? error.code : 'INTERNAL', error: messageOf(error) });
  }
  if (waitsFor !== '') reasons.push({ code: 'BOOTSTRAPPING', error: waitsFor });
  if (damage !== null) reasons.push({ code: 'DIGEST_MISMATCH', error: damage });
  const { outcast, silentMs } = membership;
  if (outcast && !admission.isRefused) reasons.push({ code: outcast.code, error: outcast.message });
  const up = new Set(members.filter((member) => member.state === 'up').map((member) => member.origin));
  for (const peer of parts.peers) {
    // With no master left to say that a peer is down, its silence says so.
    // But not of one that is stalled: what it has sent cannot be written here, whether it is still there or not.
    const isGone = peer.state !== 'following' && peer.state !== 'stalled' && peer.behind.seconds === null && silentMs >= parts.memberDownMs;
    if (up.has(peer.origin) && !isGone) reasons.push(...reasonsOf(peer, lagSecondsMax));
  }
  return { ready: reasons.length === 0, reasons, warnings: quarantined === 0 ? [] : [quarantinedNote(quarantined)] };
}

function reasonsOf(peer: PeerReport, lagSecondsMax: number): ReadinessNote[] {
  const reasons: ReadinessNote[] = [];
  const { seconds } = peer.behind;
  if (peer.state !== 'following')
    reasons.push({ code: peer.error?.code ?? 'BOOTSTRAPPING', error: `${peer.address} is not followed: ${peer.error?.error ?? peer.state}` });
  else if (seconds === null || seconds > lagSecondsMax) {
    reasons.push({
      code: 'POSITION_BEHIND',
      error: `${seconds === null ? 'an unknown time' : `${seconds.toFixed(1)} s`} behind ${peer.address}, more than ${lagSecondsMax} s`,
    });
  }
  if (peer.digest === 'different') reasons.push({ code: 'DIGEST_MISMATCH', error: `at one position with ${peer.address}, but the digests differ` });
  return reasons;
}

function quarantinedNote(size: number): ReadinessNote {
  return { code: 'QUARANTINED', error: `${size} ${size === 1 ? 'change is' : 'changes are'} quarantined; see kelp filer.quarantine` };
}
