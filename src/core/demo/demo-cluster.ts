import { rmSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetaClient } from '../api/meta/client.js';
import { limits } from '../config/limits.js';
import { FilerError, isFailure } from '../errors.js';
import { HttpClient } from '../http/client.js';
import type { Signer } from '../security/signer.js';
import type { TimeSource } from '../time.js';
import { DemoFiler } from './demo-filer.js';
import { KelpProcess, type Launch } from './kelp-process.js';
import { isFree } from './ports.js';
import { waitFor, type Look } from './wait.js';

const masterPort = 9333;
const firstFilerPort = 8888;

interface Started {
  /** host:port */
  readonly address: string;
  readonly process: KelpProcess;
}

/** A secret that all processes of a demo share. */
export interface DemoSecret {
  readonly file: string;
  readonly signer: Signer;
}

/** Why a process cannot be used yet; null if it can. */
type Probe = (meta: MetaClient) => Promise<string | null>;

/**
 * A master and filers as processes of their own, with their stores and logs in one temporary folder. Whatever ends the demo, nothing
 * of it stays: `close` ends it in order, and if this process exits without it, everything is killed and removed on the way out.
 */
export class DemoCluster {
  readonly filers: DemoFiler[] = [];
  readonly #http: HttpClient;
  readonly #processes = new Set<KelpProcess>();
  readonly #failed = new AbortController();
  #master: Started | null = null;
  #closing = false;

  private constructor(
    /** Holds everything. */
    readonly directory: string,
    private readonly launch: Launch,
    private readonly time: TimeSource,
    private readonly secret?: DemoSecret,
  ) {
    this.#http = new HttpClient({ connections: limits.demoInFlight + 8, signer: secret?.signer });
    process.on('exit', this.#killNow);
  }

  static async open(launch: Launch, time: TimeSource, secret?: DemoSecret): Promise<DemoCluster> {
    return new DemoCluster(await realpath(await mkdtemp(join(tmpdir(), 'kelp-demo-'))), launch, time, secret);
  }

  /** Aborts with a FilerError if a process ends that nobody asked to; `fields.log` are its last lines. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  get masterAddress(): string {
    return this.#master?.address ?? '';
  }

  async startMaster(signal: AbortSignal): Promise<void> {
    const args = ['master', `--mdir=${join(this.directory, 'master')}`];
    const isReady: Probe = async (meta) => ((await meta.readiness(undefined, signal)).ready ? null : 'it is not ready');
    this.#master = await this.#start('master', args, masterPort, isReady, signal);
  }

  /** Starts one more filer on an empty store; resolves when it takes writes, that is, has what the others had. */
  async addFiler(signal: AbortSignal): Promise<DemoFiler> {
    const number = this.filers.length + 1;
    const port = firstFilerPort + number - 1;
    const filer = new DemoFiler(`filer ${number}`, join(this.directory, `filer-${number}`), this.#http, `127.0.0.1:${port}`);
    this.filers.push(filer);
    await this.#startFiler(filer, port, signal);
    return filer;
  }

  /** kill -9. */
  async kill(filer: DemoFiler): Promise<void> {
    const { process } = filer;
    if (!process) return;
    filer.status = 'killed';
    this.#processes.delete(process);
    await process.kill();
  }

  /** Starts a filer that was killed on its old store and another port; resolves when it takes writes. */
  async startAgain(filer: DemoFiler, signal: AbortSignal): Promise<void> {
    await this.#startFiler(filer, 0, signal);
  }

  /** Stops the filers, then the master, and removes the folder. Never fails on what is gone already. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#http.close();
    const master = this.#master?.process;
    await Promise.all([...this.#processes].filter((process) => process !== master).map((process) => process.stop(this.time)));
    await master?.stop(this.time);
    await rm(this.directory, { recursive: true, force: true });
    process.off('exit', this.#killNow);
  }

  /** The name a user knows an origin by. */
  nameOf(origin: string): string {
    return this.filers.find((filer) => filer.origin === origin)?.name ?? origin;
  }

  async #startFiler(filer: DemoFiler, port: number, signal: AbortSignal): Promise<void> {
    filer.status = 'starting';
    const args = ['filer', `--master=${this.masterAddress}`, `--defaultStoreDir=${filer.directory}`];
    // Not /readyz, which also waits until every peer is followed.
    const isReady: Probe = async (meta) => {
      const { origin, state } = await meta.info(signal);
      filer.origin = origin;
      filer.address = meta.address;
      return state === 'ready' ? null : `it is ${state}`;
    };
    const { process } = await this.#start(filer.name, args, port, isReady, signal);
    filer.process = process;
    filer.status = 'running';
  }

  /** Starts a process at `preferred` if that is free, else at any free port, and waits until it can be used. */
  async #start(name: string, args: readonly string[], preferred: number, isReady: Probe, signal: AbortSignal): Promise<Started> {
    const common = ['--ip=127.0.0.1', ...(this.secret ? [`--secretFile=${this.secret.file}`] : [])];
    for (let port = (await isFree(preferred)) ? preferred : 0; ; port = 0) {
      const process = KelpProcess.start(this.launch, [...args, ...common, `--port=${port}`], join(this.directory, `${name.replace(' ', '-')}.log`));
      this.#processes.add(process);
      const look = async (): Promise<Look<string | null>> => {
        if (!process.running) return { found: null };
        const address = await process.address();
        const why = address === null ? 'it does not listen yet' : await isReady(new MetaClient(this.#http, address));
        return why === null ? { found: address } : { standing: why };
      };
      const wait = { what: `${name} to be ready`, time: this.time, signal, deadlineMs: limits.demoStartMs, everyMs: limits.demoLookMs };
      const address = await waitFor(look, wait);
      if (address !== null) {
        void process.ended.then(() => this.#hasEnded(name, process));
        return { address, process };
      }
      this.#processes.delete(process);
      // Another program can take a port between finding it free and listening there, and have left it again by now.
      if (port === 0 || (await process.address()) !== null) throw await endedByItself(name, process);
    }
  }

  async #hasEnded(name: string, process: KelpProcess): Promise<void> {
    if (!this.#closing && this.#processes.delete(process)) this.#failed.abort(await endedByItself(name, process));
  }

  /** At the exit of this process nothing can be waited for. */
  readonly #killNow = (): void => {
    for (const process of this.#processes) process.killNow();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  };
}

async function endedByItself(name: string, process: KelpProcess): Promise<FilerError> {
  const how = await process.ended;
  return new FilerError('PEER_UNREACHABLE', `${name} has ended by itself (${how})`, { log: await process.lastLines() });
}

/** The last lines of the process whose end `error` tells of; none for any other error. */
export function logOf(error: unknown): readonly string[] {
  return isFailure(error) && Array.isArray(error.fields.log) ? (error.fields.log as string[]) : [];
}
