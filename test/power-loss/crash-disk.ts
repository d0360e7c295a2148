import { basename, dirname } from 'node:path';
import type { Random } from '../simulation/random.js';
import type { TraceEvent, TracedCall } from './trace.js';

/*
 * A disk as POSIX promises it, no better: what a power cut may leave of what a traced process has done.
 *
 *   content   durable once an fsync of the file that began after the write has ended; until then each sector of it may or may not be there
 *   names     durable once an fsync of the directory that began after the call has ended; until then each of them may or may not be
 *
 * That an fsync of a file would bring its name along, as ext4 does, is not relied on.
 */

const sectorBytes = 512;

/** How much of what was pending a power cut leaves. */
export const survivals = ['none', 'all', 'in order', 'whole writes', 'half'] as const;
export type Survival = (typeof survivals)[number];

interface Write {
  readonly offset: number;
  readonly data: Buffer;
  readonly kind: 'write';
}
interface Truncate {
  readonly kind: 'truncate';
  readonly size: number;
}
interface Link {
  readonly kind: 'link';
  readonly name: string;
  readonly node: Node;
}
interface Unlink {
  readonly kind: 'unlink';
  readonly name: string;
}
interface Rename {
  readonly kind: 'rename';
  readonly from: string;
  readonly to: string;
  readonly node: Node;
}
type FileStep = Write | Truncate;
type DirectoryStep = Link | Unlink | Rename;

class FileNode {
  readonly pending = new Set<FileStep>();
  #durable: Buffer = Buffer.alloc(0);
  #size = 0;
  /** Bytes as the process sees them. */
  size = 0;

  settle(steps: Iterable<FileStep>): void {
    for (const step of steps) {
      if (!this.pending.delete(step)) continue;
      const image = new Image(this.#durable, this.#size);
      image.take(step);
      ({ bytes: this.#durable, size: this.#size } = image);
    }
  }

  crash(survival: Survival, random: Random): Buffer {
    const image = new Image(Buffer.from(this.#durable.subarray(0, this.#size)), this.#size);
    // A sector that the file gained and that was never written: zeros, or what an earlier file left there.
    image.stale = random.chance(0.5) ? random.below(256) : 0;
    for (const step of surviving([...this.pending], survival, random, (write) => torn(write, random))) image.take(step);
    return image.bytes.subarray(0, image.size);
  }
}

/** Content being put together. */
class Image {
  stale = 0;

  constructor(
    public bytes: Buffer,
    public size: number,
  ) {}

  take(step: FileStep): void {
    const end = step.kind === 'truncate' ? step.size : step.offset + step.data.length;
    if (end > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.bytes.length));
      this.bytes.copy(grown, 0, 0, this.size);
      this.bytes = grown;
    }
    if (end > this.size) this.bytes.fill(this.stale, this.size, end);
    if (step.kind === 'write') step.data.copy(this.bytes, step.offset);
    this.size = step.kind === 'truncate' ? step.size : Math.max(this.size, end);
  }
}

class DirectoryNode {
  readonly pending = new Set<DirectoryStep>();
  readonly #durable = new Map<string, Node>();

  settle(steps: Iterable<DirectoryStep>): void {
    for (const step of steps) if (this.pending.delete(step)) take(this.#durable, step);
  }

  crash(survival: Survival, random: Random): Map<string, Node> {
    const names = new Map(this.#durable);
    for (const step of surviving([...this.pending], survival, random, () => [])) take(names, step);
    return names;
  }
}

type Node = FileNode | DirectoryNode;

function take(names: Map<string, Node>, step: DirectoryStep): void {
  if (step.kind === 'link') names.set(step.name, step.node);
  else if (step.kind === 'unlink') names.delete(step.name);
  else {
    names.delete(step.from);
    names.set(step.to, step.node);
  }
}

/** Which of the pending steps are on the disk. `tear` gives what is left of one that was cut through. */
function surviving<T>(pending: readonly T[], survival: Survival, random: Random, tear: (step: T) => T[]): T[] {
  switch (survival) {
    case 'none':
      return [];
    case 'all':
      return [...pending];
    case 'in order': {
      const at = random.below(pending.length + 1);
      return [...pending.slice(0, at), ...pending.slice(at, at + 1).flatMap(tear)];
    }
    case 'whole writes':
      return pending.filter(() => random.chance(0.5));
    case 'half':
      return pending.flatMap((step) => {
        const parts = tear(step);
        return parts.length > 0 || random.chance(0.5) ? parts : [step];
      });
  }
}

/** About half of the sectors of a write. */
function torn(step: FileStep, random: Random): FileStep[] {
  if (step.kind === 'truncate') return [];
  const parts: FileStep[] = [];
  for (let at = step.offset; at < step.offset + step.data.length;) {
    const end = Math.min(step.offset + step.data.length, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (random.chance(0.5)) parts.push({ kind: 'write', offset: at, data: step.data.subarray(at - step.offset, end - step.offset) });
    at = end;
  }
  return parts;
}

/** Which syncs count; leaving some out shows what they are for. */
export type SyncFilter = (path: string) => boolean;

/** Follows a trace and tells, at any place of it, what a power cut would leave below one folder. */
export class CrashDisk {
  readonly #top = new DirectoryNode();
  /** Everything the process sees by name. */
  readonly #nodes = new Map<string, Node>();
  /** What was begun and has not ended: for a write its step, for a sync what it will make durable. */
  readonly #open = new Map<TracedCall, { step?: FileStep; covers?: () => void }>();
  /** Where the next write() to a file goes; it is only used on files just made. */
  readonly #ends = new Map<FileNode, number>();

  constructor(
    private readonly folder: string,
    private readonly counts: SyncFilter = () => true,
  ) {
    this.#nodes.set(folder, this.#top);
  }

  /** The path that a call is about, the folder or below it; null if it is none of this disk's. */
  pathOf({ name, files, strings }: TracedCall): string | null {
    const isByName = /^(open|creat|unlink|rename|mkdir|rmdir|link|symlink|truncate)/.test(name);
    const path = isByName ? strings[0]?.toString() : files[0];
    return path !== undefined && `${path}/`.startsWith(`${this.folder}/`) ? path : null;
  }

  /** Takes the next event. Returns the path if it was one that this disk is about. */
  take({ phase, call }: TraceEvent): string | null {
    const path = this.pathOf(call);
    // Shared memory is no part of what a power cut leaves.
    if (path === null || path.endsWith('-shm')) return null;
    if (phase === 'begin') this.#begin(call, path);
    else this.#end(call, path);
    return path;
  }

  #begin(call: TracedCall, path: string): void {
    switch (call.name) {
      case 'pwrite64':
      case 'write':
      case 'ftruncate': {
        const file = this.#file(path);
        const step = this.#fileStep(call, file);
        file.pending.add(step);
        this.#open.set(call, { step });
        return;
      }
      case 'fsync':
      case 'fdatasync': {
        const node = this.#nodes.get(path);
        if (node === undefined || !this.counts(path)) return;
        const running = new Set([...this.#open.values()].map(({ step }) => step));
        const covered = [...node.pending].filter((step) => !running.has(step as FileStep));
        this.#open.set(call, { covers: () => node.settle(covered as never[]) });
        return;
      }
      case 'openat':
      case 'unlink':
      case 'rename':
      case 'mkdir':
        return;
      case 'mmap':
        if (/PROT_WRITE/.test(call.rest) && /MAP_SHARED/.test(call.rest)) break;
        return;
    }
    throw new Error(`${call.name} of ${path}: this disk does not know what that does`);
  }

  #fileStep(call: TracedCall, file: FileNode): FileStep {
    if (call.name === 'ftruncate') {
      const size = Number(/, *(\d+)$/.exec(call.rest)?.[1]);
      file.size = size;
      return { kind: 'truncate', size };
    }
    const data = Buffer.concat(call.strings);
    const offset = call.name === 'write' ? (this.#ends.get(file) ?? 0) : Number(/, *(\d+)$/.exec(call.rest)?.[1]);
    if (!Number.isInteger(offset)) throw new Error(`${call.name}(${call.rest}): no offset`);
    this.#ends.set(file, offset + data.length);
    file.size = Math.max(file.size, offset + data.length);
    return { kind: 'write', offset, data };
  }

  #end(call: TracedCall, path: string): void {
    const open = this.#open.get(call);
    this.#open.delete(call);
    const written = open?.step?.kind === 'write' ? open.step.data.length : 0;
    if (written > 0 && call.result !== written) throw new Error(`${call.name} of ${path}: ${call.result} of ${written} bytes were written`);
    if (!(call.result >= 0)) return;
    open?.covers?.();
    const folder = this.#nodes.get(dirname(path)) as DirectoryNode;
    const name = basename(path);
    switch (call.name) {
      case 'openat': {
        if (/O_CREAT/.test(call.rest) && !this.#nodes.has(path)) this.#link(folder, name, path, new FileNode());
        else if (/O_TRUNC/.test(call.rest)) this.#truncate(this.#file(path));
        return;
      }
      case 'mkdir':
        this.#link(folder, name, path, new DirectoryNode());
        return;
      case 'unlink':
        folder.pending.add({ kind: 'unlink', name });
        this.#nodes.delete(path);
        return;
      case 'rename': {
        const to = (call.strings[1] as Buffer).toString();
        if (dirname(to) !== dirname(path)) throw new Error(`rename of ${path} to ${to}: only within one folder`);
        const node = this.#nodes.get(path) as Node;
        folder.pending.add({ kind: 'rename', from: name, to: basename(to), node });
        this.#nodes.delete(path);
        this.#nodes.set(to, node);
        return;
      }
    }
  }

  #truncate(file: FileNode): void {
    file.pending.add({ kind: 'truncate', size: 0 });
    file.size = 0;
    this.#ends.set(file, 0);
  }

  #link(folder: DirectoryNode, name: string, path: string, node: Node): void {
    folder.pending.add({ kind: 'link', name, node });
    this.#nodes.set(path, node);
  }

  #file(path: string): FileNode {
    const node = this.#nodes.get(path);
    if (!(node instanceof FileNode)) throw new Error(`${path} was not seen being made`);
    return node;
  }

  /** True if a call is under way that writes or syncs: a process that ends now leaves it unknown whether that was done. */
  get isBusy(): boolean {
    return this.#open.size > 0;
  }

  /** What a power cut now would leave: path to content. Directories that are empty, or not there, do not show. */
  crash(survival: Survival, random: Random): Map<string, Buffer> {
    const left = new Map<string, Buffer>();
    const visit = (directory: DirectoryNode, at: string): void => {
      for (const [name, node] of directory.crash(survival, random)) {
        const path = `${at}/${name}`;
        if (node instanceof FileNode) left.set(path, node.crash(survival, random));
        else visit(node, path);
      }
    };
    visit(this.#top, this.folder);
    return left;
  }
}
