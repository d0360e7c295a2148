import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Context } from 'mocha';
import { limits } from '../../src/core/config/limits.js';
import { openFilesMax } from '../../src/core/http/open-files.js';
import { leaveOut } from './leave-out.js';

/** One connection that sends bytes as they are, and keeps the beginning of what comes back. */
export class Client {
  /** What came back, at most 64 KiB of it. */
  text = '';
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (more: string) => {
      if (this.text.length < 65_536) this.text += more;
    });
    // A server under load may cut it off at any moment; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => (this.closed = true));
  }

  /** Resolves once it is connected, or has failed to. */
  static open(port: number): Promise<Client> {
    return new Promise((resolve) => {
      const client = new Client(connect(port, '127.0.0.1'));
      client.socket.once('connect', () => resolve(client)).once('close', () => resolve(client));
    });
  }

  send(bytes: string | Buffer): void {
    if (!this.closed) this.socket.write(bytes);
  }

  /** Status of the first answer; null if there is none. */
  get status(): number | null {
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(this.text) ?? [];
    return status === undefined ? null : Number(status);
  }
}

/** A line among the titles of the tests: what was measured. */
export const tell = (text: string) => void process.stdout.write(`      ${text}\n`);

export const requestText = (method: string, path: string, ...headers: string[]) =>
  [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');

/** Leaves a test out where the system does not let this process, or the filers that it starts, have so many connections open. */
export function needConnections(context: Context, count: number): void {
  const files = count + Math.max(limits.filesKept, 500);
  if (openFilesMax() < files) leaveOut(context, `${count} connections take ${files} open files, and ulimit -Hn is ${openFilesMax()}`);
}

/** Opens many connections, some at one time. */
export async function openClients(port: number, count: number, begin: (client: Client, index: number) => void = () => {}): Promise<Client[]> {
  const clients: Client[] = [];
  for (let at = 0; at < count; at += 250) {
    const some = await Promise.all(Array.from({ length: Math.min(250, count - at) }, () => Client.open(port)));
    some.forEach((client, index) => begin(client, at + index));
    clients.push(...some);
  }
  return clients;
}

export function closeClients(clients: readonly Client[]): void {
  for (const { socket } of clients) socket.destroy();
}

/** How many clients were answered with each status; `closed` = cut off without one. */
export function statusesOf(clients: readonly Client[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, closed } of clients) {
    const key = status === null ? (closed ? 'closed' : 'none') : String(status);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** The greatest resident memory a process has had so far, in MiB; null where no system tells it (there is no /proc). */
export function peakMemoryMiB(pid: number): number | null {
  if (!existsSync('/proc/self/status')) return null;
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kib === undefined) throw new Error(`process ${pid} holds no memory: it has ended`);
  return Math.round(Number(kib) / 1024);
}

/** Expects a process to have stayed below a bound; where no system tells how much it took, says that this was left out. */
export function expectPeakBelow(peakMiB: number | null, boundMiB: number): void {
  if (peakMiB === null) tell('(left out: there is no /proc that tells how much memory a process took)');
  else expect(peakMiB, 'peak of resident memory, MiB').to.be.below(boundMiB);
}
