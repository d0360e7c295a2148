import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ShellSession } from './shell-session.js';

/** A part of the loopback net that no other run of these tests is likely to use; addresses are given out once. */
const net = `127.${randomInt(16, 240)}.${randomInt(0, 255)}`;
let hosts = 0;
export const nextHost = (): string => `${net}.${(hosts += 1)}`;

/** Where the commands of a text are typed: a folder and addresses of their own. */
export class Place {
  /** Ids in the text and what stands for them here. */
  readonly ids = new Map<string, string>();
  readonly #others = new Map(['10.0.0.5', '10.0.0.6'].map((address) => [address, nextHost()]));

  private constructor(
    readonly folder: string,
    readonly session: ShellSession,
    /** For localhost and 127.0.0.1. */
    readonly host: string,
  ) {}

  static async open(folder: string, host: string, env: Readonly<Record<string, string>> = {}): Promise<Place> {
    for (const each of ['tmp', 'etc/kelp', 'var/lib']) await mkdir(join(folder, each), { recursive: true });
    const session = await ShellSession.start({ cwd: folder, env: { KELP_IP: host, KELP_MASTER: `${host}:9333`, ...env } });
    return new Place(folder, session, host);
  }

  /** A text as it is typed here. */
  typed(text: string): string {
    let typed = text.replace(/\blocalhost\b|\b127\.0\.0\.1\b/g, this.host).replace(/(?<=[\s=@])\/(tmp|etc|var\/lib\/kelp)\b/g, `${this.folder}/$1`);
    for (const [written, here] of [...this.#others, ...this.ids]) typed = typed.replaceAll(written, here);
    return typed;
  }
}
