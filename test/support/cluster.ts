import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool, type Dispatcher } from 'undici';
import { freePort } from './free-port.js';
import { parseExposition, valueIn } from './prometheus.js';
import { startKelp, type Finished, type Started } from './run-kelp.js';
import { waitFor } from './wait-for.js';

export { freePort } from './free-port.js';

/*
 * A real cluster: `kelp master` and `kelp filer` processes (of the last `npm run build`) on free loopback ports, each with a folder of
 * its own below one temporary folder.
 *
 *   const cluster = await startCluster({ filers: 3 });    every one answers /readyz with 200
 *   const [a, b] = cluster.filers;
 *   await a.put('/docs/x', 'one');
 *   await cluster.converged();                            equal positions, equal digests
 *   await b.kill();                                       kill -9
 *   await b.start();                                      same folder, same port
 *   await b.restart({ port: 'other' });                   SIGTERM, then the same folder on another port
 *   a.pause(); a.resume();                                SIGSTOP, SIGCONT
 *   const c = await cluster.addFiler();                   a fresh one joins
 *   await cluster.close();                                in `after`: kills what runs, removes the folders
 *
 * Nothing here is retried or hidden: what a filer answers is what the test sees. A wait that fails names what it waited for and
 * shows the end of every log.
 */

export interface ClusterOptions {
  /** How many filers; default 3. */
  readonly filers?: number;
  /** How many masters; default 1. */
  readonly masters?: number;
  /** Further flags of every master and of every filer. */
  readonly masterArgs?: readonly string[];
  readonly filerArgs?: readonly string[];
  /** Added to the environment of every process. */
  readonly env?: Readonly<Record<string, string>>;
  /** What a process is started by, by its name and how many times it was started, this one included; see RunOptions. */
  readonly under?: (name: string, start: number) => readonly string[];
}

export interface AddFilerOptions {
  /** Further flags of this filer alone. */
  readonly args?: readonly string[];
  /** Addresses of its masters; default all of the cluster's, [] = none. */
  readonly masters?: readonly string[];
  /** Folder of its store; default a new one. */
  readonly directory?: string;
  /** False: does not wait for /readyz. */
  readonly ready?: boolean;
  /** An address of the loopback where it listens and tests ask it, though it registers as 127.0.0.1; default that one. */
  readonly bind?: string;
  /** Its port; default a free one. */
  readonly port?: number;
}

export interface StartOptions {
  /** `other` takes another free port, a number that one; default the one it had. */
  readonly port?: 'same' | 'other' | number;
  /** False: does not wait for /readyz. */
  readonly ready?: boolean;
}

/** What a filer says of itself in GET store, as JSON. */
export interface StoreJson {
  readonly storeId: string;
  readonly origin: string;
  readonly clusterId: string | null;
  readonly instance: string;
  readonly state: string;
  readonly address: string;
  readonly position: Readonly<Record<string, number>>;
  readonly head: string;
  readonly digest: string;
  /** Null while it takes a snapshot, and with it a lineage. */
  readonly lineage: string | null;
  readonly counts: Readonly<Record<'entries' | 'directories' | 'tombstones' | 'changes' | 'bytes', number>>;
  readonly [field: string]: unknown;
}

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly text: string;
}

const readyMs = 20_000;

/** One process of a cluster, and the folder it works in. It can be ended and started again as often as a test likes. */
export class ClusterProcess {
  #started: Started | null = null;
  #pool: Pool | null = null;
  #port: number;
  #starts = 0;

  constructor(
    readonly name: string,
    readonly directory: string,
    port: number,
    private readonly argsFor: (port: number) => readonly string[],
    private readonly options: Pick<ClusterOptions, 'env' | 'under'>,
    private readonly bind = '127.0.0.1',
  ) {
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  /** host:port by which it registers */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Where it listens. */
  get url(): string {
    return `http://${this.bind}:${this.#port}`;
  }

  /** The process id; throws if it was never started. */
  get pid(): number {
    return this.started.process.pid as number;
  }

  /** True from its start until it has ended. */
  get running(): boolean {
    return this.#started !== null && this.#started.process.exitCode === null && this.#started.process.signalCode === null;
  }

  /** The process as last started, with its output so far. */
  get started(): Started {
    if (!this.#started) throw new Error(`${this.name} was never started`);
    return this.#started;
  }

  /** Starts it in its folder, again if it has ended, and waits until it is ready. */
  async start({ port = 'same', ready = true }: StartOptions = {}): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`);
    if (port !== 'same') this.#port = port === 'other' ? await freePort() : port;
    this.#starts += 1;
    this.#started = startKelp(this.argsFor(this.#port), { env: this.options.env, under: this.options.under?.(this.name, this.#starts) });
    // A pool for each start: no connection of an earlier one is left to fail on.
    this.#pool = new Pool(this.url, { connections: 16, headersTimeout: 15_000, bodyTimeout: 15_000 });
    if (ready) await this.ready();
  }

  /** Waits until it answers /readyz with 200. Fails at once if it ends instead. */
  async ready(timeoutMs = readyMs): Promise<void> {
    await this.until('/readyz to answer 200', async () => (await this.request('GET', '/readyz')).status === 200, timeoutMs);
  }

  /** Waits for a condition on this process; fails at once if the process ends, and shows its log. */
  async until<T>(what: string, condition: () => Promise<T> | T, timeoutMs = readyMs): Promise<NonNullable<T>> {
    let ended = false;
    const check = async (): Promise<T | true> => {
      ended = !this.running;
      return ended ? true : condition();
    };
    const value = await waitFor(check, { what: `${this.name}: ${what}`, timeoutMs }).catch((error: Error) => {
      error.message += this.log();
      throw error;
    });
    if (ended) throw new Error(`${this.name} has ended instead of ${what}${this.log()}`);
    return value as NonNullable<T>;
  }

  /** SIGTERM: an orderly end. Resolves with how it ended. */
  stop(): Promise<Finished> {
    return this.#end('SIGTERM');
  }

  /** kill -9, also of one that is paused. */
  kill(): Promise<Finished> {
    return this.#end('SIGKILL');
  }

  /** SIGSTOP: it keeps its port and its connections, and answers nothing. */
  pause(): void {
    this.started.process.kill('SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    this.started.process.kill('SIGCONT');
  }

  /** An orderly end and a new start in the same folder. */
  async restart(options: StartOptions = {}): Promise<void> {
    await this.stop();
    await this.start(options);
  }

  /** One HTTP request; the path is sent as it is written, so it must be encoded. Any status resolves. */
  async request(method: string, path: string, options: { body?: string | Buffer; headers?: Record<string, string> } = {}): Promise<Reply> {
    if (!this.#pool) throw new Error(`${this.name} was never started`);
    const { statusCode, headers, body } = await this.#pool.request({ method: method as 'GET', path, ...options });
    return { status: statusCode, headers, text: await body.text() };
  }

  /** A GET that must be answered with 200 and JSON. */
  async json<T>(path: string): Promise<T> {
    return JSON.parse((await this.expect(200, 'GET', path)).text) as T;
  }

  /** A request that must be answered with `status`. */
  async expect(status: number, method: string, path: string, options: { body?: string | Buffer; headers?: Record<string, string> } = {}): Promise<Reply> {
    const reply = await this.request(method, path, options);
    if (reply.status !== status) throw new Error(`${this.name}: ${method} ${path} answered ${reply.status}, not ${status}: ${reply.text.slice(0, 500)}`);
    return reply;
  }

  /** One value of /metrics, which must be there. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const value = valueIn(parseExposition((await this.expect(200, 'GET', '/metrics')).text), name, labels);
    if (value === undefined) throw new Error(`${this.name}: /metrics has no ${name}${JSON.stringify(labels)}`);
    return value;
  }

  /** The end of what it has written, for messages. */
  log(): string {
    if (!this.#started) return '';
    const { stdout, stderr } = this.#started.output;
    return `\n--- ${this.name} (${this.address})\n${`${stdout}${stderr}`.slice(-3000)}`;
  }

  async #end(signal: NodeJS.Signals): Promise<Finished> {
    const finished = await this.started.kill(signal);
    await this.#pool?.destroy();
    return finished;
  }
}

/** A filer, with what tests do to its tree. Paths are plain text and are encoded here. */
export class ClusterFiler extends ClusterProcess {
  /** Writes a file; returns its Filer-Position. */
  async put(path: string, content: string | Buffer, headers: Record<string, string> = {}): Promise<string> {
    return positionIn(await this.expect(201, 'PUT', encode(path), { body: content, headers }));
  }

  async mkdir(path: string): Promise<string> {
    return positionIn(await this.expect(201, 'POST', `${encode(path)}/`));
  }

  async remove(path: string, options: { recursive?: boolean } = {}): Promise<string> {
    return positionIn(await this.expect(204, 'DELETE', `${encode(path)}${options.recursive ? '?recursive=true' : ''}`));
  }

  async move(from: string, to: string): Promise<string> {
    return positionIn(await this.expect(204, 'POST', `${encode(to)}?mv.from=${encodeURIComponent(from)}`));
  }

  /** The content of a file; null if it is not there. */
  async get(path: string): Promise<string | null> {
    const reply = await this.request('GET', encode(path));
    if (reply.status === 404) return null;
    if (reply.status !== 200) throw new Error(`${this.name}: GET ${path} answered ${reply.status}: ${reply.text.slice(0, 500)}`);
    return reply.text;
  }

  /** All names in a directory, in order; those of directories end in "/". */
  async list(path: string): Promise<string[]> {
    const names: string[] = [];
    for (let last = ''; ;) {
      const page = await this.json<Listing>(`${encode(path)}?limit=10000&lastFileName=${encodeURIComponent(last)}`);
      for (const { FullPath, Mode } of page.Entries) names.push(FullPath.slice(FullPath.lastIndexOf('/') + 1) + (Mode >= 0x80000000 ? '/' : ''));
      if (!page.ShouldDisplayLoadMore) return names;
      last = page.LastFileName;
    }
  }

  /** Every path below `top`, in order; directories end in "/". Two filers with equal trees list the same. */
  async tree(top = '/'): Promise<string[]> {
    const found: string[] = [];
    for (const name of await this.list(top)) {
      const path = `${top === '/' ? '' : top}/${name}`;
      found.push(path);
      if (name.endsWith('/')) found.push(...(await this.tree(path.slice(0, -1))));
    }
    return found;
  }

  store(): Promise<StoreJson> {
    return this.json('/.filer/v1/store');
  }

  async digest(): Promise<string> {
    return (await this.store()).digest;
  }

  /** How far it is, as text without origins at 0. */
  async position(): Promise<string> {
    return positionText(await this.store());
  }
}

interface Listing {
  readonly Entries: readonly { readonly FullPath: string; readonly Mode: number }[];
  readonly LastFileName: string;
  readonly ShouldDisplayLoadMore: boolean;
}

export class Cluster {
  readonly masters: ClusterProcess[] = [];
  readonly filers: ClusterFiler[] = [];
  #named = 0;

  constructor(
    /** Holds the folders of all processes, and whatever a test puts there. */
    readonly directory: string,
    private readonly options: ClusterOptions,
  ) {}

  /** The first master. */
  get master(): ClusterProcess {
    const [master] = this.masters;
    if (!master) throw new Error('this cluster has no master');
    return master;
  }

  /** Starts one more master, with a folder of its own; with `start` false only its address is known. */
  async addMaster({ start = true } = {}): Promise<ClusterProcess> {
    const directory = join(this.directory, `master-${this.masters.length + 1}`);
    const args = (port: number) => ['master', '--ip=127.0.0.1', `--port=${port}`, `--mdir=${directory}`, ...(this.options.masterArgs ?? [])];
    const master = new ClusterProcess(`master-${this.masters.length + 1}`, directory, await freePort(), args, this.options);
    this.masters.push(master);
    if (start) await master.start();
    return master;
  }

  /** Starts one more filer and waits until it is ready. */
  async addFiler(options: AddFilerOptions = {}): Promise<ClusterFiler> {
    const name = `filer-${(this.#named += 1)}`;
    const directory = options.directory ?? join(this.directory, name);
    const { filerArgs = [] } = this.options;
    const { bind } = options;
    const args = (port: number) => [
      'filer',
      '--ip=127.0.0.1',
      `--port=${port}`,
      `--master=${(options.masters ?? this.masters.map((master) => master.address)).join(',')}`,
      `--defaultStoreDir=${directory}`,
      ...(bind === undefined ? [] : [`--ip.bind=${bind}`]),
      ...filerArgs,
      ...(options.args ?? []),
    ];
    const filer = new ClusterFiler(name, directory, options.port ?? (await freePort()), args, this.options, bind);
    this.filers.push(filer);
    await filer.start({ ready: options.ready });
    return filer;
  }

  /** Waits until all of `filers` (default: those that run) are of one lineage, at one position, with one digest; returns the digest. */
  async converged(filers: readonly ClusterFiler[] = this.filers.filter(({ running }) => running), timeoutMs = readyMs): Promise<string> {
    let last: StoreJson[] = [];
    const agree = async (): Promise<string | null> => {
      last = await Promise.all(filers.map((filer) => filer.store()));
      const [first, ...others] = last;
      // Of two lineages one still joins the other, and is empty while it does.
      const isAsFirst = (store: StoreJson) =>
        positionText(store) === positionText(first) && store.digest === first.digest && store.lineage === first.lineage && store.lineage !== null;
      return others.every(isAsFirst) ? first.digest : null;
    };
    return waitFor(agree, { what: 'equal positions, digests and lineages', timeoutMs, everyMs: 50 }).catch((error: Error) => {
      error.message += `\n${last.map((store) => `${store.address} ${store.state} ${positionText(store)} ${store.digest}`).join('\n')}${this.logs()}`;
      throw error;
    });
  }

  /** The end of every process's log. */
  logs(): string {
    return [...this.masters, ...this.filers].map((each) => each.log()).join('');
  }

  /** Kills what runs and removes the folders. Never fails on what is gone already. */
  async close(): Promise<void> {
    await Promise.all([...this.filers, ...this.masters].filter(({ running }) => running).map((each) => each.kill()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Starts masters and filers and waits until all are ready. If one does not come up, everything is cleaned up and its log shown. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { filers = 3, masters = 1 } = options;
  const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'kelp-cluster-')), options);
  try {
    for (let count = 0; count < masters; count += 1) await cluster.addMaster();
    // They join each other while they start, so nobody is waited for before all are under way.
    for (let count = 0; count < filers; count += 1) await cluster.addFiler({ ready: false });
    await Promise.all(cluster.filers.map((filer) => filer.ready()));
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

function encode(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function positionIn({ headers }: Reply): string {
  return String(headers['filer-position']);
}

function positionText({ position }: StoreJson): string {
  return Object.entries(position)
    .filter(([, seq]) => seq > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([origin, seq]) => `${origin}:${seq}`)
    .join('~');
}
