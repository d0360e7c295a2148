import { isOrigin, type Origin } from '../../clock/vector.js';
import type { MemberList } from '../../cluster/member.js';
import type { Registry } from '../../cluster/registry.js';
import { limits } from '../../config/limits.js';
import { FilerError } from '../../errors.js';
import type { LongPoll } from '../../http/long-poll.js';
import { invalidParameter, readDuration, readWord } from '../../http/params.js';
import { empty, json, type Request, type Route } from '../../http/router.js';
import { filersPath, memberListToJson, registrationFromJson, statusPath, type ClusterStatus } from './protocol.js';

export interface MasterHandlersOptions {
  readonly registry: Registry;
  /** Woken whenever the registry changes. */
  readonly polls: LongPoll;
  /** host:port of this master; known once it listens. */
  readonly address: () => string;
  /** Hears how each registration ended: `ok` or the code of its failure. */
  readonly announced: (outcome: string) => void;
}

/** The member list over HTTP. */
export function masterRoutes(options: MasterHandlersOptions): Route[] {
  const { registry, polls, address, announced } = options;
  return [
    {
      method: 'PUT',
      path: `${filersPath}/:origin`,
      role: 'peer',
      summary: 'register a filer, hear of it again, or hear that it stops',
      handler: async (request) => {
        try {
          const { announcement, state, masters } = registrationFromJson(originOf(request), await request.json(limits.announcementBytesMax));
          if (state === 'down') registry.leave(announcement.origin, announcement.instance);
          const list = state === 'down' ? registry.list(announcement.group) : await registry.announce(announcement, masters);
          announced('ok');
          return json(200, memberListToJson(list));
        } catch (error) {
          announced(error instanceof FilerError ? error.code : 'INTERNAL');
          throw error;
        }
      },
    },
    {
      method: 'DELETE',
      path: `${filersPath}/:origin`,
      role: 'admin',
      summary: 'take a filer off the list',
      handler: async (request) => {
        const origin = originOf(request);
        if (!registry.forget(origin)) throw new FilerError('ENTRY_NOT_FOUND', `filer ${origin} is not on the list`);
        return empty(204);
      },
    },
    {
      method: 'GET',
      path: filersPath,
      role: 'peer',
      summary: 'the filers of one group, held until the list changes if asked to',
      handler: async ({ query, signal }) => {
        const group = query.get('group') ?? '';
        const version = query.get('version');
        const live = readWord(query, 'live', ['long-poll']);
        const waitMs = readDuration(query, 'timeout', { msMax: limits.longPollMsMax, fallback: limits.longPollMs });
        return json(200, memberListToJson(live === null ? registry.list(group) : await heldList(registry, polls, version, group, waitMs, signal)));
      },
    },
    {
      method: 'GET',
      path: statusPath,
      role: 'peer',
      summary: 'who leads, which cluster this is, how many filers there are',
      handler: async () => {
        const { up, down } = registry.counts;
        const status: ClusterStatus = {
          isLeader: true,
          leader: address(),
          peers: [],
          clusterId: registry.clusterId,
          version: registry.version,
          filers: up + down,
          choosing: registry.choosing,
        };
        return json(200, status);
      },
    },
  ];
}

/** The list at once if its version is not `version`, else when it changes or after `waitMs`. @throws FilerError OVERLOADED; the signal's reason */
export async function heldList(
  registry: Registry,
  polls: LongPoll,
  version: string | null,
  group: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<MemberList> {
  await polls.until(() => registry.version !== version, waitMs, signal);
  return registry.list(group);
}

function originOf(request: Request): Origin {
  if (!isOrigin(request.parameter)) throw invalidParameter('origin', request.parameter, '16 lower-case hex digits');
  return request.parameter;
}
