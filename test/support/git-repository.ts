import { execFile, spawn } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from './temp-dir.js';

const run = promisify(execFile);

/** What one commit does to one path. */
export type GitChange =
  | { readonly kind: 'write'; readonly path: string; readonly blob: string }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string; readonly blob: string };

export interface GitCommit {
  readonly id: string;
  readonly changes: readonly GitChange[];
}

/** A repository and its history, read with the git command. */
export class GitRepository {
  private constructor(readonly directory: string) {}

  /** The repository `directory` lies in; null if there is none, or git is not installed. */
  static async at(directory: string): Promise<GitRepository | null> {
    try {
      const { stdout } = await run('git', ['-C', directory, 'rev-parse', '--show-toplevel']);
      return new GitRepository(stdout.trim());
    } catch {
      return null;
    }
  }

  /** A small one in a temporary folder, with every kind of change: also a directory moved, and files that trade names. */
  static async generate(): Promise<GitRepository> {
    const directory = await tempDir();
    const repository = new GitRepository(directory);
    const write = async (path: string, text: string) => {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    };
    const commit = async (message: string) => {
      await repository.#git('add', '--all');
      await repository.#git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', message);
    };
    const long = (seed: string) => Array.from({ length: 40 }, (_, line) => `${seed} ${line}\n`).join('');
    await repository.#git('init', '--quiet');
    for (let number = 0; number < 12; number += 1) await write(`src/part-${number % 3}/file-${number}.txt`, long(`file ${number}`));
    await write('README', 'one\n');
    await commit('create');
    await write('README', 'two\n');
    await write('docs/ü and "quotes".txt', long('odd name'));
    await commit('update and create');
    await rename(join(directory, 'src/part-1'), join(directory, 'moved'));
    await write('moved/file-1.txt', `${long('file 1')}and a line more\n`);
    await commit('move a directory, change a file in it');
    await rm(join(directory, 'src/part-0'), { recursive: true });
    await write('src/part-0', 'a file where a directory was\n');
    await commit('a directory becomes a file');
    await rename(join(directory, 'src/part-2/file-2.txt'), join(directory, 'swap'));
    await rename(join(directory, 'src/part-2/file-5.txt'), join(directory, 'src/part-2/file-2.txt'));
    await rename(join(directory, 'swap'), join(directory, 'src/part-2/file-5.txt'));
    await rm(join(directory, 'README'));
    await commit('two files trade names, one is deleted');
    return repository;
  }

  /** Oldest first, along first parents, so that each commit follows from the one before. Links and submodules are left out. */
  async history(): Promise<GitCommit[]> {
    const text = await this.#git('log', '--reverse', '--first-parent', '-m', '--root', '--raw', '--no-abbrev', '-M', '-z', '--format=%x01%H');
    return text
      .split('\u0001')
      .slice(1)
      .map((part) => {
        const [id = '', ...fields] = part.split('\0');
        return { id, changes: changesIn(fields.map((field) => field.replace(/^\n/, ''))) };
      });
  }

  /** Path to blob of every file in the last commit. */
  async head(): Promise<Map<string, string>> {
    const lines = (await this.#git('ls-tree', '-r', '-z', 'HEAD')).split('\0').filter((line) => line !== '');
    const files = lines.map((line) => /^(\d+) blob ([0-9a-f]+)\t(.*)$/s.exec(line)).filter((match) => match !== null && isFile(match[1]));
    return new Map(files.map((match) => [match?.[3] as string, match?.[2] as string]));
  }

  /** Contents of blobs, in one call of git. */
  async blobs(ids: Iterable<string>): Promise<Map<string, Buffer>> {
    const child = spawn('git', ['-C', this.directory, 'cat-file', '--batch'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end([...new Set(ids)].map((id) => `${id}\n`).join(''));
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    const all = Buffer.concat(chunks);
    const found = new Map<string, Buffer>();
    for (let at = 0; at < all.length;) {
      const end = all.indexOf('\n', at);
      const [id = '', , size = ''] = all.toString('utf8', at, end).split(' ');
      found.set(id, all.subarray(end + 1, end + 1 + Number(size)));
      at = end + 1 + Number(size) + 1;
    }
    return found;
  }

  async #git(...args: string[]): Promise<string> {
    return (await run('git', ['-C', this.directory, ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;
  }
}

/** Regular files; not links (120000) and submodules (160000). */
const isFile = (mode = ''): boolean => mode.startsWith('100');

/** `:OLDMODE NEWMODE OLDBLOB NEWBLOB STATUS`, then one path, or two of a rename. */
function changesIn(fields: readonly string[]): GitChange[] {
  const changes: GitChange[] = [];
  for (let at = 0; at < fields.length; at += 1) {
    const match = /^:(\d+) (\d+) [0-9a-f]+ ([0-9a-f]+) ([A-Z])\d*$/.exec(fields[at] ?? '');
    if (!match) continue;
    const [, oldMode, newMode, blob = '', status] = match;
    const path = fields[(at += 1)] ?? '';
    if (status === 'R') changes.push({ kind: 'rename', from: path, path: fields[(at += 1)] ?? '', blob });
    else if (isFile(newMode)) changes.push({ kind: 'write', path, blob });
    else if (isFile(oldMode)) changes.push({ kind: 'delete', path });
  }
  return changes;
}
