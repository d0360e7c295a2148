import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/*
 * What strace wrote (-f -y -xx), as calls with a begin and an end. Strace stops one thread at a time, before a call and after it, so
 * what caused something stands above it: the end of a sync above the begin of the answer that it let out.
 *
 *   812 fsync(20<\x2f\x74…>) = 0                     begin and end at once
 *   812 fsync(20<\x2f\x74…> <unfinished ...>         begin; other threads' lines follow
 *   812 <... fsync resumed>) = 0                     end
 */

/** The calls that change files, make them durable, or say something to others. */
const tracedCalls =
  'pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,mmap,' +
  'open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat';

/** Put in front of a command line, it writes a trace of it. The process keeps its parent and its signals, and outlives nothing. */
export function straceInto(file: string): string[] {
  return ['strace', '-f', '-D', '-y', '-xx', '-s', '2000000', '--seccomp-bpf', '-o', file, '-e', `trace=${tracedCalls}`];
}

/** One system call, begun or ended. */
export interface TraceEvent {
  readonly phase: 'begin' | 'end';
  /** The same object in both of its events. */
  readonly call: TracedCall;
}

export interface TracedCall {
  readonly name: string;
  /** Paths of the open files among the arguments, in order: what -y says of a descriptor. */
  readonly files: readonly string[];
  /** Strings among the arguments, in order. */
  readonly strings: readonly Buffer[];
  /** The arguments as they stand, strings and paths taken out. */
  readonly rest: string;
  /** What it returned; NaN until it has ended, and if it never did. */
  result: number;
}

const linePattern = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$/;
const unfinished = ' <unfinished ...>';

/** The events of a trace, in order. */
export async function* readTrace(file: string): AsyncGenerator<TraceEvent, void, undefined> {
  const open = new Map<string, TracedCall>();
  for await (const line of createInterface({ input: createReadStream(file, 'latin1'), crlfDelay: Number.POSITIVE_INFINITY })) {
    const [, thread, resumed, begun, text] = linePattern.exec(line) ?? [];
    // A signal, or the end of a thread.
    if (thread === undefined || text === undefined) continue;
    if (resumed !== undefined) {
      const call = open.get(thread);
      if (call?.name !== resumed) throw new Error(`${file}: thread ${thread} resumes ${resumed} without having begun it`);
      open.delete(thread);
      call.result = resultIn(text);
      yield { phase: 'end', call };
      continue;
    }
    const isOpen = text.endsWith(unfinished);
    const call = parseCall(begun, isOpen ? text.slice(0, -unfinished.length) : text.slice(0, text.lastIndexOf(')')));
    yield { phase: 'begin', call };
    if (isOpen) open.set(thread, call);
    else {
      call.result = resultIn(text);
      yield { phase: 'end', call };
    }
  }
}

function parseCall(name: string, text: string): TracedCall {
  const files: string[] = [];
  const strings: Buffer[] = [];
  const unhex = (hex: string) => Buffer.from(hex.replaceAll('\\x', ''), 'hex');
  const rest = text.replace(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|<((?:\\x[0-9a-f]{2})+)>/g, (_all, string?: string, cut?: string, file?: string) => {
    if (cut !== undefined) throw new Error(`${name}: strace has cut a string short`);
    if (file !== undefined) files.push(unhex(file).toString());
    else strings.push(unhex(string ?? ''));
    return '';
  });
  return { name, files, strings, rest, result: Number.NaN };
}

function resultIn(text: string): number {
  const [, result] = /= (-?\d+)(?![\s\S]* = )/.exec(text) ?? [];
  // The process ended in it: "= ?".
  return result === undefined ? Number.NaN : Number(result);
}
