import { setMaxListeners } from 'node:events';
import { anySignal } from '../abort.js';
import { joinPositions, positionCovers, positionDistance, type Position } from '../clock/vector.js';
import { limits } from '../config/limits.js';
import type { FullPath } from '../entry/path.js';
import type { TimeSource } from '../time.js';
import { changeTree, type Changed } from './changes.js';
import { writeTwice, type Conflict } from './conflict.js';
import { copyFiles, type Copied } from './copy.js';
import { DemoCluster, type DemoSecret } from './demo-cluster.js';
import type { DemoFiler } from './demo-filer.js';
import type { Launch } from './kelp-process.js';
import { readLocalFiles, type LocalFiles } from './local-files.js';
import { watchPeers, type PeerRow } from './peer-rows.js';
import { planChanges } from './plan.js';
import { prove, type Proof } from './proof.js';
import { count, counted, mebibytes, seconds, tellChanges, tellConflict, tellSkipped } from './story.js';
import { waitFor } from './wait.js';

/*
 * start ─► copy into filer 1 ─────────────────────────► change on 2 and 3 ─► conflict ─► a fourth joins ─► proof
 *            └─ meanwhile: kill -9 of filer 2, back on another port
 */

export const demoSteps = ['start', 'copy', 'crash', 'change', 'conflict', 'join', 'proof'] as const;
export type DemoStep = (typeof demoSteps)[number];

/** Who hears of it. */
export interface DemoEvents {
  /** A line of the story. */
  told(step: DemoStep, line: string): void;
  /** What is going on, while it is; null when it is over. */
  progress(text: string | null): void;
  /** Who follows whom, a few times a second; absent = nobody looks. */
  readonly peers?: (rows: readonly PeerRow[]) => void;
}

export interface DemoOptions {
  /** What is copied. */
  readonly directory: string;
  readonly launch: Launch;
  /** What all of them sign with; absent = nothing is signed. */
  readonly secret?: DemoSecret;
  readonly time: TimeSource;
  /** Ends the demo wherever it is; what it has started is cleaned up first. */
  readonly signal: AbortSignal;
  readonly events: DemoEvents;
  /** Called with the result while everything still runs; the demo ends when it resolves. */
  readonly proven: (place: DemoPlace, result: DemoResult, signal: AbortSignal) => Promise<void>;
}

/** Where what runs can be found. */
export interface DemoPlace {
  /** host:port */
  readonly master: string;
  readonly filers: readonly string[];
  readonly directory: string;
}

export interface DemoResult {
  /** True if all trees and digests are equal. */
  readonly equal: boolean;
  readonly copied: {
    readonly from: string;
    readonly to: FullPath;
    readonly directories: number;
    readonly files: number;
    readonly bytes: number;
    readonly seconds: number;
  };
  readonly skipped: readonly { readonly reason: string; readonly count: number; readonly names: readonly string[] }[];
  readonly crash: { readonly filer: string; readonly after: number; readonly of: number; readonly port: number; readonly caughtUpSeconds: number };
  readonly changed: Changed;
  readonly conflict: Conflict;
  readonly joined: { readonly filer: string; readonly entries: number; readonly seconds: number };
  readonly proof: Proof;
  readonly seconds: number;
}

/** At which part of the copy filer 2 is killed. */
const crashAt = 0.4;

/**
 * Runs the whole demo and cleans up after itself, however it ends.
 * @throws FilerError USAGE if the directory cannot be copied; TIMED_OUT if a step does not come to its end; PEER_UNREACHABLE if a
 *   process dies; the signal's reason
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { launch, secret, time, events, proven } = options;
  const cluster = await DemoCluster.open(launch, time, secret);
  const ended = new AbortController();
  const { signal, release } = anySignal(options.signal, cluster.failed, ended.signal);
  // One listener for each request in flight.
  setMaxListeners(0, signal, ended.signal);
  const watching = events.peers ? watchPeers(cluster, time, ended.signal, events.peers) : Promise.resolve();
  watching.catch(() => {}); // Awaited at the end.
  try {
    const result = await new Demo(options, cluster, signal).run();
    await proven({ master: cluster.masterAddress, filers: cluster.filers.map(({ address }) => address), directory: cluster.directory }, result, signal);
    cluster.failed.throwIfAborted();
    return result;
  } finally {
    events.progress(null);
    // What still runs beside a step that failed ends too.
    ended.abort();
    await watching.finally(() => cluster.close());
    release();
  }
}

class Demo {
  constructor(
    private readonly options: DemoOptions,
    private readonly cluster: DemoCluster,
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<DemoResult> {
    const { cluster, signal } = this;
    const { directory, time } = this.options;
    const began = time.monotonic();
    const local = await readLocalFiles(directory, cluster.directory, signal);
    const [first, second, third] = await this.#start();
    const { copied, copyMs, crash } = await this.#copy(local, first, second);
    const changed = await this.#change(copied, local, second, third);
    const conflict = await writeTwice(cluster.filers, [second, third], () => this.#settled(), signal);
    for (const line of tellConflict(conflict)) this.#tell('conflict', line);
    const joined = await this.#join();
    const proof = await this.#prove();
    return {
      equal: proof.differences.length === 0,
      copied: {
        from: local.top.source,
        to: local.top.path,
        directories: copied.directories,
        files: copied.files.length,
        bytes: copied.bytes,
        seconds: copyMs / 1000,
      },
      skipped: copied.skipped.reasons,
      crash,
      changed,
      conflict,
      joined,
      proof,
      seconds: (time.monotonic() - began) / 1000,
    };
  }

  async #start(): Promise<[DemoFiler, DemoFiler, DemoFiler]> {
    const { cluster, signal } = this;
    const elapsed = this.#stopwatch();
    this.#tell('start', `a master and three filers, each a process with a SQLite store of its own in ${cluster.directory}`);
    await cluster.startMaster(signal);
    const filers = await Promise.all([cluster.addFiler(signal), cluster.addFiler(signal), cluster.addFiler(signal)]);
    this.#tell('start', `master ${cluster.masterAddress}, filers ${filers.map(({ address }) => address).join(', ')}: ready in ${seconds(elapsed())}`);
    return filers;
  }

  async #copy(local: LocalFiles, first: DemoFiler, second: DemoFiler): Promise<{ copied: Copied; copyMs: number; crash: DemoResult['crash'] }> {
    const { signal } = this;
    const elapsed = this.#stopwatch();
    const { top, entries: total } = local;
    this.#tell('copy', `${top.source} into filer 1 as ${top.path}: ${counted(total, 'entry')}, ${limits.demoInFlight} requests in flight`);
    let [reach, fail]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
    const reached = new Promise<void>((resolve, reject) => ([reach, fail] = [resolve, reject]));
    const copying = copyFiles(local, first.tree, signal, (done) => {
      if (done >= total * crashAt) reach();
      this.options.events.progress(`copying ${count(done)} of ${counted(total, 'entry')}, ${count((1000 * done) / elapsed())}/s`);
    });
    copying.catch(fail);
    const [copied, crash] = await Promise.all([copying.then((done) => ({ done, ms: elapsed() })), reached.then(() => this.#crash(first, second, total))]);
    const { done, ms } = copied;
    for (const line of tellSkipped(done.skipped, top.source)) this.#tell('copy', line);
    const entries = done.directories + done.files.length;
    const settling = this.#stopwatch();
    await this.#settled();
    this.#tell('copy', `filer 1 acknowledged ${counted(entries, 'entry')}, ${mebibytes(done.bytes)}, in ${seconds(ms)}: ${count((1000 * entries) / ms)}/s`);
    this.#tell('copy', `filers 2 and 3 had all of them ${seconds(settling())} later`);
    return { copied: done, copyMs: ms, crash };
  }

  /** Kills a filer that follows, and brings it back elsewhere; resolves when it has what the other had when it came back. */
  async #crash(first: DemoFiler, killed: DemoFiler, total: number): Promise<DemoResult['crash']> {
    const { cluster, signal } = this;
    const { position } = await killed.meta.info(signal);
    await cluster.kill(killed);
    const elapsed = this.#stopwatch();
    const after = positionDistance(position, new Map());
    this.#tell('crash', `killed filer 2 with -9 after ${count(after)} of ${counted(total, 'change')}`);
    await cluster.startAgain(killed, signal);
    const target = await first.position(signal);
    await this.#until('filer 2 to catch up', async () => {
      const now = await killed.position(signal);
      return positionCovers(now, target) ? { found: true } : { standing: `it lacks ${counted(positionDistance(target, now), 'change')}` };
    });
    const ms = elapsed();
    this.#tell('crash', `filer 2 is back with its store on port ${killed.port}; caught up ${seconds(ms)} after the kill`);
    return { filer: killed.name, after, of: total, port: killed.port, caughtUpSeconds: ms / 1000 };
  }

  async #change(copied: Copied, local: LocalFiles, second: DemoFiler, third: DemoFiler): Promise<Changed> {
    const elapsed = this.#stopwatch();
    const changed = await changeTree(planChanges(local.directories, copied.files), second, third, this.signal);
    for (const line of tellChanges(changed)) this.#tell('change', line);
    const ms = elapsed();
    await this.#settled();
    this.#tell('change', `acknowledged in ${seconds(ms)}; on all filers ${seconds(elapsed() - ms)} later`);
    return changed;
  }

  async #join(): Promise<DemoResult['joined']> {
    const { cluster, signal } = this;
    const elapsed = this.#stopwatch();
    this.options.events.progress('filer 4 joins');
    const filer = await cluster.addFiler(signal);
    const ms = elapsed();
    const { counts } = await filer.meta.info(signal);
    this.#tell('join', `filer 4 at ${filer.address}, an empty store: has ${counted(counts.entries, 'entry')} and serves ${seconds(ms)} after its start`);
    return { filer: filer.name, entries: counts.entries, seconds: ms / 1000 };
  }

  async #prove(): Promise<Proof> {
    const elapsed = this.#stopwatch();
    await this.#settled();
    this.options.events.progress('listing every tree, adding up every digest from the rows');
    const proof = await prove(this.cluster.filers, this.signal);
    this.#tell('proof', `listed every tree over HTTP and added up every digest from the rows in ${seconds(elapsed())}`);
    return proof;
  }

  /** Waits until all filers have everything. */
  async #settled(): Promise<void> {
    const { cluster, signal } = this;
    await this.#until('all filers to have everything', async () => {
      const positions = await Promise.all(cluster.filers.map((filer) => filer.position(signal)));
      const all = positions.reduce<Position>(joinPositions, new Map());
      const lacking = cluster.filers
        .map(({ name }, index) => ({ name, lacks: positionDistance(all, positions[index] ?? new Map()) }))
        .filter(({ lacks }) => lacks > 0);
      if (lacking.length === 0) return { found: true };
      const standing = lacking.map(({ name, lacks }) => `${name} lacks ${counted(lacks, 'change')}`).join(', ');
      this.options.events.progress(standing);
      return { standing };
    });
  }

  async #until(what: string, look: Parameters<typeof waitFor>[0]): Promise<void> {
    const { time } = this.options;
    await waitFor(look, { what, time, signal: this.signal, deadlineMs: limits.demoStuckMs, everyMs: limits.demoLookMs });
  }

  #tell(step: DemoStep, line: string): void {
    this.options.events.progress(null);
    this.options.events.told(step, line);
  }

  /** Milliseconds since now. */
  #stopwatch(): () => number {
    const { time } = this.options;
    const began = time.monotonic();
    return () => time.monotonic() - began;
  }
}
