import { Pool } from 'undici';
import type { ClusterFiler } from '../support/cluster.js';
import { Random } from '../simulation/random.js';

/** A write that was answered with 2xx. */
export interface Acknowledged {
  readonly path: string;
  /** What was put there; null = it was deleted. */
  readonly content: (() => string) | null;
}

/** How many writes came to what. None is ever repeated. */
export interface Outcomes {
  acknowledged: number;
  /** Answered with 503: the filer was not ready, or is stopping. */
  refused: number;
  /** No answer: it may have been done or not. */
  unknown: number;
  /** Deletes that found nothing: no writes. */
  vain: number;
}

const connectionsPerFiler = 128;
const contendedPaths = 40;

/** Many clients that write to all filers of a cluster at once, mostly to paths of their own, some to paths that all of them write. */
export class Writers {
  readonly outcomes: Outcomes = { acknowledged: 0, refused: 0, unknown: 0, vain: 0 };
  /** By the dot that the answer named. */
  readonly acknowledged = new Map<string, Acknowledged>();
  readonly #targets: { filer: ClusterFiler; pool: Pool }[];
  #stopped = false;
  #failure: unknown = null;
  readonly #running: Promise<unknown>[];
  /** Filers that no new write goes to. */
  readonly down = new Set<ClusterFiler>();

  constructor(filers: readonly ClusterFiler[], seed: number, count: number) {
    this.#targets = filers.map((filer) => ({
      filer,
      pool: new Pool(filer.url, { connections: connectionsPerFiler, pipelining: 1, headersTimeout: 20_000, bodyTimeout: 20_000 }),
    }));
    this.#running = Array.from({ length: count }, (_, writer) =>
      this.#write(writer, new Random(seed + 1 + writer)).catch((error: unknown) => (this.#failure ??= error)),
    );
  }

  /** True once a writer has met what it could not make sense of. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** @throws what a writer could not make sense of */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    await Promise.all(this.#targets.map(({ pool }) => pool.destroy()));
    this.check();
  }

  async #write(writer: number, random: Random): Promise<void> {
    for (let number = 0; !this.#stopped; number += 1) {
      const up = this.#targets.filter(({ filer }) => !this.down.has(filer));
      const { filer, pool } = random.pick(up.length > 0 ? up : this.#targets);
      const isContended = random.chance(0.2);
      const isDelete = number > 10 && random.chance(0.05);
      // Own paths: a fifth of them written more than once.
      const own = random.chance(0.2) ? random.below(number + 1) : number;
      const path = isContended ? `/contended/${random.below(contendedPaths)}` : `/own/${writer}/${Math.floor(own / 100)}/${own}`;
      const content = () => `${writer}.${number} `.repeat(1 + (number % 20));
      let reply;
      try {
        // Only of what is there: else the answer would name whatever change was the filer's last, and acknowledge nothing.
        reply = await pool.request(isDelete ? { method: 'DELETE', path, headers: { 'if-match': '*' } } : { method: 'PUT', path, body: content() });
        await reply.body.dump();
      } catch {
        // A filer that was killed answers no more. Whether the write was done is not known; it is not sent again.
        this.outcomes.unknown += 1;
        continue;
      }
      if (reply.statusCode === 201 || reply.statusCode === 204) {
        this.outcomes.acknowledged += 1;
        const dot = String(reply.headers['filer-position']);
        if (this.acknowledged.has(dot))
          throw new Error(`${filer.name} acknowledged two writes as ${dot}, the second ${isDelete ? 'a delete' : 'a put'} of ${path}`);
        this.acknowledged.set(dot, { path, content: isDelete ? null : content });
      } else if (isDelete && reply.statusCode === 412) this.outcomes.vain += 1;
      else if (reply.statusCode === 503) this.outcomes.refused += 1;
      else throw new Error(`${filer.name} answered ${isDelete ? 'DELETE' : 'PUT'} ${path} with ${reply.statusCode}`);
    }
  }
}
