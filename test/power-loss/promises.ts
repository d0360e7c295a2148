import { parseHave } from '../../src/core/api/meta/protocol.js';
import { formatPosition, parsePosition, type Origin, type Seq } from '../../src/core/clock/vector.js';
import type { TraceEvent } from './trace.js';

/*
 * What a filer has told others, read from what it sent: from the moment a message is handed to the system, a power cut must not make it
 * untrue. A client is told the dot of its write, a peer what this filer has (as reader: Filer-Have, Filer-Report; as source: Filer-Head),
 * a master whose log this is, everybody which cluster.
 */
export class Promises {
  /** The store has all of this. Origins at 0 are known. */
  readonly position = new Map<Origin, Seq>();
  /** Whose log this store writes; null = told nobody. */
  origin: Origin | null = null;
  /** The cluster it says it belongs to; null = told nobody. */
  clusterId: string | null = null;
  /** Writes of clients that were answered with 2xx. */
  acknowledged = 0;
  /** Messages to peers. */
  told = 0;

  /** Takes the next event; returns true if it was a promise. */
  take({ phase, call }: TraceEvent): boolean {
    if (phase !== 'begin' || !/^(write|writev|sendto|sendmsg)$/.test(call.name) || !call.files[0]?.startsWith('socket:')) return false;
    const text = call.strings
      .filter((part) => part.length > 0)
      .map((part) => part.toString('latin1'))
      .join('');
    const [, registered] = /^PUT \/cluster\/filers\/([0-9a-f]{16})/.exec(text) ?? [];
    const [, clusterId] = /"clusterId":"([0-9a-f]{16})"/.exec(text) ?? [];
    this.origin = registered ?? this.origin;
    this.clusterId = clusterId ?? this.clusterId;
    const isPromise = this.#takeHeaders(text);
    return isPromise || registered !== undefined || clusterId !== undefined;
  }

  #takeHeaders(text: string): boolean {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const headers = new Map(
      text
        .slice(0, end)
        .split('\r\n')
        .slice(1)
        .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    // A source's Filer-Position goes as far as its reader, which may have more than it.
    const position = headers.get('filer-head') ?? headers.get('filer-position');
    const isAnswer = /^HTTP\/1\.1 2/.test(text);
    if (isAnswer && position !== undefined) this.#promise(position);
    if (isAnswer && position !== undefined && !headers.has('filer-head')) this.acknowledged += 1;
    const have = headers.get('filer-have');
    // The hashes of changes that must not go either: the log is compared record by record.
    if (have !== undefined) this.#promise(formatPosition(new Map([...parseHave(have)].map(([origin, { seq }]) => [origin, seq]))));
    const report = headers.get('filer-report');
    if (report !== undefined) this.#promise(report);
    const isPeers = have !== undefined || report !== undefined;
    this.told += isPeers ? 1 : 0;
    return isPeers || position !== undefined;
  }

  #promise(position: string): void {
    for (const [origin, seq] of parsePosition(position)) this.position.set(origin, Math.max(seq, this.position.get(origin) ?? 0));
  }
}
