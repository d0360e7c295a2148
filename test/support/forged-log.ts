import { canonicalJson } from '../../src/core/change/canonical.js';
import { encodeChange } from '../../src/core/change/codec.js';
import { chainHash, chainStart, contentHash } from '../../src/core/change/digest.js';
import type { Origin } from '../../src/core/clock/vector.js';
import { nameOf } from '../../src/core/entry/path.js';
import { p } from './open-log.js';

/* The log of a filer that writes what this kelp would refuse: each change with its hash, good or not. */

export interface Forgery {
  /** Fields of the new entry beside its name; the hash is made over what they say. */
  entry?: Record<string, unknown>;
  /** Changes the parsed text after its hash was made. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any field of any shape may be broken
  edit?: (change: any) => void;
}

export class ForgedLog {
  readonly texts: string[] = [];
  seq = 0;
  hash = chainStart;

  constructor(
    readonly origin: Origin,
    private version = 1_763_763_267_000_000,
  ) {}

  /** Appends a put of a file; returns its text. */
  put(path: string, { entry = {}, edit = () => {} }: Forgery = {}): string {
    this.seq += 1;
    this.version += 1;
    const newEntry = canonicalJson({ isDirectory: false, ...entry, name: nameOf(p(path)) });
    const link = {
      seq: this.seq,
      version: this.version,
      author: this.origin,
      oldPath: null,
      newPath: p(path),
      contentHash: contentHash(newEntry),
      run: this.seq === 1 ? 'f'.repeat(16) : '',
    };
    this.hash = chainHash(this.hash, link);
    const vector = { [this.origin]: this.version };
    const change = { ...link, origin: this.origin, hash: this.hash, newEntry, isDirectory: false, vector, oldVector: null, clusters: [] };
    const parsed: unknown = JSON.parse(encodeChange(change, { oldEntry: null, deleteChunks: false, signatures: [] }));
    edit(parsed);
    const text = JSON.stringify(parsed);
    this.texts.push(text);
    return text;
  }

  /** Appends a put that is refused: its attributes are no object. */
  putBad(path: string): string {
    return this.put(path, { entry: { attributes: 'none' } });
  }
}
