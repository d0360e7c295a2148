import { isFailure } from '../../src/core/errors.js';
import type { Dot } from '../../src/core/clock/vector.js';
import type { FullPath } from '../../src/core/entry/path.js';
import type { FileSpec } from '../../src/core/namespace/mutations.js';
import type { History } from './history.js';
import type { Random } from './random.js';
import { Reader } from './reader.js';
import type { SimFiler } from './sim-filer.js';

const readersMax = 4;

type Kind = 'put' | 'mkdir' | 'remove' | 'removeAll' | 'move';

export interface ClientsOptions {
  readonly random: Random;
  readonly history: History;
  readonly filers: readonly SimFiler[];
  readonly count: (name: string) => void;
  readonly say: (text: string) => void;
  /** What every content begins with: nobody else writes the same. */
  readonly mark?: string;
}

/** Who writes to the filers, and reads their feeds. */
export class Clients {
  /** The first answer that is none; null if all were. */
  failure: unknown = null;
  readonly #readers: Reader[] = [];
  #values = 0;

  constructor(private readonly options: ClientsOptions) {}

  /** One client's request to one filer; what it answers is what counts. */
  operate(filer: SimFiler): void {
    const path = this.#path();
    this.write(filer, this.options.random.weighted<Kind>({ put: 45, mkdir: 10, remove: 13, removeAll: 12, move: 20 }), path);
  }

  write(filer: SimFiler, kind: Kind, path: FullPath): void {
    if (!filer.isUp) return;
    const { say } = this.options;
    const { namespace } = filer.live;
    this.attempt(filer, async () => {
      const { dot } = await this.#request(namespace, kind, path);
      if (dot) say(`  ${filer.name} ${kind} ${path} acknowledged ${dot.origin.slice(0, 4)}:${dot.seq}`);
      return dot;
    });
  }

  attempt(filer: SimFiler, write: () => Promise<Dot | null>): void {
    const { generation } = filer;
    const work = async () => {
      this.options.count('request');
      filer.live.admission.mustWrite();
      const dot = await write();
      // A process that was killed answers nobody, not even what it has done.
      if (!dot || filer.generation !== generation) return;
      this.options.count('request acknowledged');
      this.options.history.acknowledge(filer, dot);
    };
    work().catch((error: unknown) => {
      // Refusals are answers; a process that was killed gives none.
      if (isFailure(error) || /killed|dead/.test(String(error))) return;
      this.failure ??= error;
    });
  }

  /** Every reader reads a page. @throws Violation */
  async read(): Promise<void> {
    const { random, filers, history, count, say } = this.options;
    const up = filers.filter((filer) => filer.isUp && filer.live.state === 'ready');
    if (up.length === 0) return;
    if (this.#readers.length < readersMax) this.#readers.push(new Reader(random.pick(up), count, history.chains));
    for (const reader of this.#readers) {
      if (!filers.includes(reader.filer) || random.chance(0.1)) reader.moveTo(random.pick(up));
      if (up.includes(reader.filer)) say(`  ${await reader.read()}`);
    }
  }

  #path(): FullPath {
    const { random } = this.options;
    const depth = 1 + random.below(3);
    return Array.from({ length: depth }, () => `/${random.pick(['a', 'b'])}`).join('') as FullPath;
  }

  #request(namespace: SimFiler['live']['namespace'], kind: Kind, path: FullPath) {
    switch (kind) {
      case 'put': {
        const content = Buffer.from(`${this.options.mark ?? 'v'}${++this.#values}`).toString('base64');
        const { random } = this.options;
        const ttlSec = random.chance(0.25) ? random.pick([1, 1, 5, 30]) : undefined;
        const spec: FileSpec = { content, size: 2, md5: '', ...(ttlSec === undefined ? {} : { ttlSec }) };
        return namespace.put(path, spec, 0o660);
      }
      case 'mkdir':
        return namespace.mkdir(path, 0o755);
      case 'remove':
        return namespace.remove(path, false);
      case 'removeAll':
        return namespace.remove(path, true);
      case 'move':
        return namespace.move(path, this.#path());
    }
  }
}
