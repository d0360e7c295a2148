import { formatPosition, parsePosition, positionDistance } from '../../clock/vector.js';
import { versionToRfc3339 } from '../../clock/version.js';
import { FilerError, isFailure } from '../../errors.js';
import { formatLinkState, parseLinkState, type LinkState } from '../../sync/link.js';
import type { MetaClient } from './client.js';

/* What an operator does with the checkpoints of a cluster's links. */

/** One link as it is listed; what cannot be read of it is null. */
export interface LinkReport {
  readonly link: string;
  /** Cluster ids. */
  readonly source: string | null;
  readonly target: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly excludes: readonly string[];
  /** copy, again (a copy after the log no longer reached back), feed. */
  readonly phase: LinkState['phase'] | 'unreadable';
  readonly position: string | null;
  /** RFC 3339. */
  readonly written: string;
  /** Paths of the source that were put aside: why, null for those that wait for another one; the first changes the target lacks there. */
  readonly quarantined: readonly { readonly path: string; readonly error: string | null; readonly dots: string }[];
}

/** Every link that writes to the cluster of a filer. @throws FilerError PEER_UNREACHABLE and what it answers */
export async function listLinks(client: MetaClient, signal: AbortSignal): Promise<LinkReport[]> {
  const found = await client.checkpoints(signal);
  return found.map(({ link, value, version }) => {
    const written = versionToRfc3339(version);
    try {
      const { spec, phase, position, refused } = parseLinkState(value);
      const quarantined = refused.map(({ path, error, dots }) => ({ path, error, dots: formatPosition(dots) }));
      const { from, to, excludes } = spec.scope;
      return { link, source: spec.source, target: spec.target, from, to, excludes, phase, position: formatPosition(position), written, quarantined };
    } catch (error) {
      if (!isFailure(error, 'BODY_INVALID')) throw error;
      return { link, source: null, target: null, from: null, to: null, excludes: [], phase: 'unreadable', position: null, written, quarantined: [] };
    }
  });
}

/** @throws FilerError ENTRY_NOT_FOUND */
export async function findLink(client: MetaClient, link: string, signal: AbortSignal): Promise<LinkReport> {
  const found = (await listLinks(client, signal)).find((one) => one.link === link);
  if (found === undefined) throw new FilerError('ENTRY_NOT_FOUND', `no link ${link} writes to this cluster; without --link all of them are listed`);
  return found;
}

/**
 * Makes a link go on after another position; a copy under way ends. Tells how many changes it takes again: those before it were lost, or came twice.
 * @throws FilerError PARAMETER_INVALID, ENTRY_NOT_FOUND, BODY_INVALID
 */
export async function setLink(client: MetaClient, link: string, text: string, signal: AbortSignal): Promise<{ again: number; left: number }> {
  const position = parsePosition(text, '--position');
  const found = (await client.checkpoints(signal)).find((one) => one.link === link);
  if (found === undefined) throw new FilerError('ENTRY_NOT_FOUND', `no link ${link} writes to this cluster; a link begins with its first run`);
  const state = parseLinkState(found.value);
  await client.setCheckpoint(link, formatLinkState({ ...state, phase: 'feed', position, after: null }), {}, signal);
  return { again: positionDistance(state.position, position), left: positionDistance(position, state.position) };
}

export function resetLink(client: MetaClient, link: string, signal: AbortSignal): Promise<void> {
  return client.setCheckpoint(link, null, {}, signal);
}
