import { createSecretKey, type KeyObject } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, statSync, type BigIntStats } from 'node:fs';
import { limits } from '../config/limits.js';
import { FilerError, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';

/** The secrets a cluster shares: requests are signed with the first and accepted with any. */
export interface Secrets {
  readonly all: readonly [KeyObject, ...KeyObject[]];
}

/**
 * Secrets in a file: one or two, a line each; blank lines and those that begin with "#" do not count. It is looked at again before use,
 * at most once a second, so that a secret can be changed while everything runs: the new one is added as the second at every process,
 * then made the first at every process, then the old one is taken out. A file that has become unusable changes nothing; the log says so.
 */
export class SecretFile implements Secrets {
  #secrets: Secrets['all'];
  /** What the file was when it was last read, readable or not. */
  #seen: string;
  #lookedAt: number;

  private constructor(
    readonly path: string,
    private readonly options: { readonly time: Pick<TimeSource, 'monotonic'>; readonly logger: Logger },
  ) {
    const { secrets, seen } = read(path);
    this.#secrets = secrets;
    this.#seen = seen;
    this.#lookedAt = options.time.monotonic();
  }

  /** @throws FilerError USAGE with the cure if the file is missing, others may read it, or it holds no good secrets */
  static open(path: string, options: { readonly time: Pick<TimeSource, 'monotonic'>; readonly logger: Logger }): SecretFile {
    return new SecretFile(path, options);
  }

  get all(): Secrets['all'] {
    const now = this.options.time.monotonic();
    if (now - this.#lookedAt >= limits.secretLookMs) {
      this.#lookedAt = now;
      this.#look();
    }
    return this.#secrets;
  }

  #look(): void {
    const { logger } = this.options;
    let seen = 'missing';
    try {
      seen = appearanceOf(statSync(this.path, { bigint: true }));
      if (seen === this.#seen) return;
      ({ secrets: this.#secrets, seen } = read(this.path));
      logger.info(`${this.path} has changed; requests are signed with its first secret and accepted with ${this.#secrets.length === 1 ? 'it' : 'either'}`);
    } catch (error) {
      if (seen !== this.#seen) logger.warn(`${messageOf(error)}; going on with the secrets read before`);
    }
    this.#seen = seen;
  }
}

/** Through one descriptor, so that what was checked is what is read. */
function read(path: string): { secrets: Secrets['all']; seen: string } {
  const unusable = (why: string, cause?: unknown) => new FilerError('USAGE', `--secretFile: ${path} ${why}`, {}, { cause });
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (mayBeSecret(path))
      throw new FilerError(
        'USAGE',
        '--secretFile takes a file that holds the secret, not the secret; no file of the name that was given can be read, and it is not shown',
      );
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? `does not exist; type: ${recipe(path)}` : `cannot be read (${messageOf(error)})`;
    throw unusable(why, error);
  }
  try {
    const stat = fstatSync(file, { bigint: true });
    if (!stat.isFile()) throw unusable('is not a regular file');
    if ((stat.mode & 0o077n) !== 0n) throw unusable(`can be read or written by others than its owner; type: chmod 600 ${path}`);
    if (stat.size > limits.secretFileBytesMax) throw unusable(`has more than ${limits.secretFileBytesMax} bytes; it may hold two secrets, one a line`);
    return { secrets: parse(readFileSync(file, 'utf8'), unusable), seen: appearanceOf(stat) };
  } finally {
    closeSync(file);
  }
}

/** No message may hold any part of a secret. */
function parse(text: string, unusable: (why: string) => FilerError): Secrets['all'] {
  const lines = text.split('\n').map((line, index) => ({ secret: Buffer.from(line.trim()), number: index + 1 }));
  const found = lines.filter(({ secret }) => secret.length > 0 && secret[0] !== 0x23);
  for (const { secret, number } of found) {
    if (secret.length < limits.secretBytesMin) {
      throw unusable(
        `has a secret of ${secret.length} bytes in line ${number}; take at least ${limits.secretBytesMin}, such as those of: openssl rand -hex 32`,
      );
    }
  }
  const [first, second, third] = found.map(({ secret }) => createSecretKey(secret));
  if (!first) throw unusable('holds no secret; put one in a line of its own, such as that of: openssl rand -hex 32');
  if (third) throw unusable(`holds ${found.length} secrets; it may hold two, the one to sign with and another one to accept`);
  return second ? [first, second] : [first];
}

/** True if what was given for a path may be a secret itself: no message may repeat it, not even as the cause of another. */
function mayBeSecret(path: string): boolean {
  return path.length >= limits.secretBytesMin && !/[/.]/.test(path);
}

function recipe(path: string): string {
  return `(umask 077; openssl rand -hex 32 > ${path})`;
}

/** Another inode, size, mode or content shows in it. */
function appearanceOf({ ino, size, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${ctimeNs}`;
}
