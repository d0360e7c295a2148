import { spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';

/**
 * Calls `closed` once nobody reads the pipe on stdout any more, also while there is nothing to write.
 *
 * A writer learns of a closed pipe only by its next write, which a follower of a quiet filer may never do: `kelp filer.meta.tail |
 * head -1` would hang after its one line. Node cannot wait for the hang-up of a pipe it only writes to, but GNU `tail` does:
 * it dies of SIGPIPE then. Where there is no such `tail`, the next write has to do. It ends with this process, also by kill -9 (`--pid`).
 */
export function watchClosedPipe(closed: () => void): void {
  if (!isPipe(1)) return;
  const watcher = spawn('tail', ['-f', `--pid=${process.pid}`, '/dev/null'], { stdio: ['ignore', 1, 'ignore'] });
  watcher.unref();
  // It would see that this process has ended a second late, and until then whoever reads the pipe would wait for more.
  process.once('exit', () => watcher.kill());
  watcher.on('error', () => {}); // No tail: the next write has to do.
  watcher.on('exit', (_code, signal) => {
    if (signal === 'SIGPIPE') closed();
  });
}

function isPipe(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFIFO();
  } catch {
    return false; // Closed from the start: nothing to watch.
  }
}
