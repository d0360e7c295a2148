import { isOrigin, positionFromJson, positionToJson, type Origin } from '../../clock/vector.js';
import type { Announcement, Member, MemberList } from '../../cluster/member.js';
import { limits } from '../../config/limits.js';
import { FilerError } from '../../errors.js';

/*
 * PUT    /cluster/filers/ORIGIN                        announcement → list      register; also the heartbeat
 * PUT    /cluster/filers/ORIGIN                        …,"state":"down" → list  the filer stops
 * GET    /cluster/filers?group=                        → list
 * GET    /cluster/filers?live=long-poll&version=…      → list                   held while its version is `version`
 * DELETE /cluster/filers/ORIGIN                        → 204, 404               forget
 * GET    /cluster/status                               → status
 *
 * announcement  {"address","storeId","clusterId":null|hex,"engine","kind":"embedded|shared","instance","position":{},"program","group"};
 *               "masters":[host:port] beside a clusterId of null: the others it registers with; "state":"up|down", up if absent
 * list          {"clusterId","version":"epoch-n","time":µs,"members":[{"origin", …announcement…, "state":"up|down","lastHeard":ms}]}
 */

export const filersPath = '/cluster/filers';
export const statusPath = '/cluster/status';

/** As a URL's authority an address can have no more than a host name of 253 characters and a port. */
const addressCharsMax = 262;

/** Answer of GET /cluster/status. There is one master per list, so it leads. */
export interface ClusterStatus {
  readonly isLeader: true;
  /** host:port */
  readonly leader: string;
  readonly peers: readonly string[];
  readonly clusterId: string | null;
  /** Of the member list. */
  readonly version: string;
  /** How many there are in all groups. */
  readonly filers: number;
  /** It has no cluster id and is about to make one, unless it hears of one. */
  readonly choosing: boolean;
}

/** What a PUT asks for. */
export interface Registration {
  readonly announcement: Announcement;
  /** `down`: the filer stops. */
  readonly state: Member['state'];
  /** Other masters, host:port. */
  readonly masters: readonly string[];
}

/** Body of a registration; the origin stands in the path. */
export function registrationToJson({ announcement, state, masters }: Registration): Record<string, unknown> {
  return { ...announcementToJson(announcement), ...(state === 'down' ? { state } : {}), ...(masters.length > 0 ? { masters } : {}) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function registrationFromJson(origin: Origin, body: unknown): Registration {
  const fields = objectOf(body, 'the body');
  const { state = 'up', masters = [] } = fields;
  if (state !== 'up' && state !== 'down') throw invalid('state', 'must be "up" or "down"');
  if (!Array.isArray(masters) || masters.length > limits.mastersMax) throw invalid('masters', `must be a list of at most ${limits.mastersMax}`);
  return {
    announcement: announcementFromJson(origin, body),
    state,
    masters: masters.map((master, index) => name(master, `masters[${index}]`, addressCharsMax)),
  };
}

/** What a filer says of itself. */
export function announcementToJson(announcement: Announcement): Record<string, unknown> {
  const { origin: _origin, position, ...rest } = announcement;
  return { ...rest, position: positionToJson(position) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function announcementFromJson(origin: Origin, body: unknown): Announcement {
  return readAnnouncement(origin, objectOf(body, 'the body'), '');
}

export function memberListToJson(list: MemberList): Record<string, unknown> {
  const members = list.members.map(({ origin, state, lastHeard, ...announcement }) => ({
    origin,
    ...announcementToJson({ origin, ...announcement }),
    state,
    lastHeard,
  }));
  return { clusterId: list.clusterId, version: list.version, time: list.time, members };
}

/** @throws FilerError BODY_INVALID naming the field */
export function memberListFromJson(body: unknown): MemberList {
  const { clusterId = null, version, time, members } = objectOf(body, 'the list');
  if (!Array.isArray(members) || members.length > limits.membersMax) throw invalid('members', `must be a list of at most ${limits.membersMax}`);
  return {
    clusterId: clusterId === null ? null : hexId(clusterId, 'clusterId'),
    version: name(version, 'version'),
    time: wholeNumber(time, 'time'),
    members: members.map((member, index) => memberFromJson(member, `members[${index}]`)),
  };
}

/** One member as a list, or a filer's store, holds it. @throws FilerError BODY_INVALID naming the field */
export function memberFromJson(body: unknown, what: string): Member {
  const fields = objectOf(body, what);
  const { origin, state, lastHeard } = fields;
  if (!isOrigin(origin)) throw invalid(`${what}.origin`, 'must be 16 lower-case hex digits');
  if (state !== 'up' && state !== 'down') throw invalid(`${what}.state`, 'must be "up" or "down"');
  return { ...readAnnouncement(origin, fields, `${what}.`), state, lastHeard: wholeNumber(lastHeard, `${what}.lastHeard`) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function statusFromJson(body: unknown): ClusterStatus {
  const { leader, clusterId = null, version, filers, choosing = false } = objectOf(body, 'the status');
  return {
    isLeader: true,
    leader: name(leader, 'leader'),
    peers: [],
    clusterId: clusterId === null ? null : hexId(clusterId, 'clusterId'),
    version: name(version, 'version'),
    filers: wholeNumber(filers, 'filers'),
    choosing: choosing === true,
  };
}

function readAnnouncement(origin: Origin, fields: Record<string, unknown>, at: string): Announcement {
  const { address, storeId, clusterId = null, engine, kind, instance, position = {}, program = '', group = '' } = fields;
  if (kind !== 'embedded' && kind !== 'shared') throw invalid(`${at}kind`, 'must be "embedded" or "shared"');
  return {
    origin,
    storeId: hexId(storeId, `${at}storeId`),
    clusterId: clusterId === null ? null : hexId(clusterId, `${at}clusterId`),
    address: name(address, `${at}address`, addressCharsMax),
    engine: name(engine, `${at}engine`),
    kind,
    instance: name(instance, `${at}instance`),
    position: positionFromJson(position, `${at}position`),
    program: name(program, `${at}program`, limits.nameCharsMax, 0),
    group: name(group, `${at}group`, limits.nameCharsMax, 0),
  };
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(what, 'must be a JSON object');
  return value as Record<string, unknown>;
}

function hexId(value: unknown, what: string): string {
  if (!isOrigin(value)) throw invalid(what, 'must be 16 lower-case hex digits');
  return value;
}

function name(value: unknown, what: string, charsMax: number = limits.nameCharsMax, charsMin = 1): string {
  if (typeof value !== 'string' || value.length < charsMin || value.length > charsMax)
    throw invalid(what, `must be a text of ${charsMin} to ${charsMax} characters`);
  return value;
}

function wholeNumber(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid(what, 'must be a whole number');
  return value;
}

function invalid(what: string, rule: string): FilerError {
  return new FilerError('BODY_INVALID', `${what}: ${rule}`, { field: what });
}
