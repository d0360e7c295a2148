import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { kelpBin } from '../../support/run-kelp.js';
import { waitFor } from '../../support/wait-for.js';
import { freePort } from '../../support/free-port.js';
import { Program } from './program.js';

/** What `GET /.filer/v1/store` says, as far as it is needed here. */
export interface StoreInfo {
  readonly origin: string;
  readonly state: string;
  readonly position: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly counts: { readonly entries: number };
}

/** A master or a filer as a user runs it: the built command line in a process of its own. */
export class KelpProgram {
  private constructor(
    readonly program: Program,
    readonly address: string,
  ) {}

  static async master(dir: string): Promise<KelpProgram> {
    return KelpProgram.#start('kelp master', dir, ['master', `--mdir=${dir}`]);
  }

  /** `profile` is a folder for the CPU profile that node writes when the process ends. */
  static async filer(name: string, dir: string, master: KelpProgram | null, options: { wait?: boolean; profile?: string } = {}): Promise<KelpProgram> {
    const args = ['filer', `--defaultStoreDir=${dir}`, `--master=${master?.address ?? ''}`];
    return KelpProgram.#start(`kelp filer ${name}`, dir, args, options);
  }

  static async #start(name: string, dir: string, args: readonly string[], options: { wait?: boolean; profile?: string } = {}): Promise<KelpProgram> {
    mkdirSync(dir, { recursive: true });
    const port = await freePort();
    const node =
      options.profile === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`, `--cpu-prof-name=${name.replaceAll(' ', '-')}-${port}.cpuprofile`];
    const command = [...node, kelpBin, ...args, '--ip=127.0.0.1', `--port=${port}`, '--logLevel=warn'];
    const kelp = new KelpProgram(Program.start(name, process.execPath, command, { cwd: join(dir) }), `127.0.0.1:${port}`);
    if (options.wait ?? true) await kelp.ready();
    return kelp;
  }

  /** Until it answers /readyz with 200. */
  async ready(timeoutMs = 20_000): Promise<void> {
    await waitFor(
      async () => {
        this.program.mustRun();
        const { statusCode, body } = await request(`http://${this.address}/readyz`);
        const text = await body.text();
        if (statusCode !== 200) throw new Error(text);
        return true;
      },
      { what: `${this.program.name} to be ready`, timeoutMs, everyMs: 20 },
    );
  }

  async info(): Promise<StoreInfo> {
    const { statusCode, body } = await request(`http://${this.address}/.filer/v1/store`);
    if (statusCode !== 200) throw new Error(`${this.program.name} answers ${statusCode}: ${await body.text()}`);
    return (await body.json()) as StoreInfo;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}

/** Until `filers` follow each other and nobody lacks anything. */
export async function settled(...filers: readonly KelpProgram[]): Promise<void> {
  await waitFor(
    async () => {
      const infos = await Promise.all(filers.map((filer) => filer.info()));
      return infos.every((info) => infos.every((other) => other.origin in info.position && info.position[other.origin] === other.position[other.origin]));
    },
    { what: 'the filers to know each other', timeoutMs: 60_000 },
  );
  for (const filer of filers) await filer.ready();
}
