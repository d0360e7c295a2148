import { FilerError } from '../errors.js';

export interface TurnsLimits {
  readonly groupDecisions: number;
  readonly groupBytes: number;
  readonly queueDecisions: number;
  readonly queueBytes: number;
  readonly queueJobs: number;
}

/**
 * Who waits for the store, and who is next. Local decisions go in groups; jobs of clients and what replication brings go one by one. The
 * three take turns, so that neither a flood of writes nor one of great deletes keeps the pages of peers waiting for more than two
 * transactions. Within each, first come, first served.
 */
export class Turns<J extends { readonly bytes: number }> {
  readonly #local: J[] = [];
  readonly #clients: J[] = [];
  readonly #own: J[] = [];
  #localBytes = 0;
  /** Whose turn is next if it has something. */
  #next = 0;

  constructor(private readonly limits: TurnsLimits) {}

  get waiting(): number {
    return this.#local.length + this.#clients.length + this.#own.length;
  }

  /** A local decision. @throws FilerError OVERLOADED */
  addLocal(job: J): void {
    const { queueDecisions, queueBytes } = this.limits;
    if (this.#local.length >= queueDecisions || this.#localBytes + job.bytes > queueBytes)
      throw new FilerError('OVERLOADED', `${this.#local.length} writes wait here already; try again in a second`);
    this.#localBytes += job.bytes;
    this.#local.push(job);
  }

  /** A job a client asked for. @throws FilerError OVERLOADED */
  addForClient(job: J): void {
    if (this.#clients.length >= this.limits.queueJobs)
      throw new FilerError('OVERLOADED', `${this.#clients.length} great writes wait here already; try again in a second`);
    this.#clients.push(job);
  }

  /** A job of this filer itself: a peer's page, a step of joining. There are no more than peers and loops. */
  add(job: J): void {
    this.#own.push(job);
  }

  /** What shares the next transaction; empty if nobody waits. */
  take(): J[] {
    const queues = [() => this.#takeLocal(), () => this.#own.splice(0, 1), () => this.#clients.splice(0, 1)];
    for (let i = 0; i < queues.length; i++) {
      const turn = (this.#next + i) % queues.length;
      const jobs = queues[turn]?.() ?? [];
      if (jobs.length === 0) continue;
      this.#next = turn + 1;
      return jobs;
    }
    return [];
  }

  /** Local decisions that were taken and have to be taken again. */
  putBack(jobs: readonly J[]): void {
    this.#localBytes += jobs.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#local.unshift(...jobs);
  }

  #takeLocal(): J[] {
    const { groupDecisions, groupBytes } = this.limits;
    let bytes = 0;
    let count = 0;
    for (const job of this.#local) {
      if (count >= groupDecisions || (count > 0 && bytes + job.bytes > groupBytes)) break;
      bytes += job.bytes;
      count += 1;
    }
    this.#localBytes -= bytes;
    return this.#local.splice(0, count);
  }
}
