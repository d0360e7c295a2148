import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { commandsOf, root } from '../support/examples.js';
import { leaveOut } from '../support/leave-out.js';
import { nextHost, Place } from '../support/place.js';
import { kelpOnPath } from '../support/run-shell.js';
import { shapeOf } from '../support/shape.js';
import type { ShellResult } from '../support/shell-session.js';

/*
 * docs/debugging-lag.md, typed line by line into one bash. A command must end as its comment says, else with 0, and the last one of a
 * block must print lines of the shape shown below it. A filer takes a moment to notice what was done to it, so a command that shows
 * something else yet is typed again.
 */

const patienceMs = 60_000;
const file = 'docs/debugging-lag.md';

interface Step {
  readonly command: string;
  readonly exit: number;
  /** Lines it prints, in shape. */
  readonly shown: readonly string[];
}

interface Chapter {
  readonly title: string;
  readonly steps: readonly Step[];
}

function chapters(): Chapter[] {
  return readFileSync(join(root, file), 'utf8')
    .split(/^#+ /m)
    .slice(1)
    .map((text) => ({ title: text.slice(0, text.indexOf('\n')), steps: stepsOf(text) }));
}

function stepsOf(text: string): Step[] {
  return [...text.matchAll(/^```sh\n([^]*?)^```$(?:\n\n```text\n([^]*?)^```$)?/gm)].flatMap(([, block = '', shown = '']) => {
    const commands = commandsOf(block);
    return commands.map((command, index) => ({
      command,
      exit: Number(/# exits (\d+)$/.exec(command)?.[1] ?? 0),
      shown: index === commands.length - 1 ? shown.split('\n').filter(Boolean) : [],
    }));
  });
}

describe(file, function () {
  this.timeout(240_000);
  const { PATH } = process.env;
  let directory: string;
  let place: Place;

  before(async function () {
    const missing = ['sqlite3', 'jq', 'prlimit', 'curl'].filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
    if (missing.length > 0) leaveOut(this, `${missing.join(', ')} not installed`);
    directory = await mkdtemp(join(tmpdir(), 'kelp-lag-'));
    process.env.PATH = `${await kelpOnPath(directory)}:${PATH}`;
    place = await Place.open(directory, nextHost());
  });

  after(async () => {
    process.env.PATH = PATH;
    await place?.session.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  for (const { title, steps } of chapters()) {
    it(title, async function () {
      if (steps.length === 0) throw new Error('a chapter shows no command');
      for (const step of steps) await type(step);
    });
  }

  async function type({ command, exit, shown }: Step): Promise<void> {
    const shapes = shown.map((line) => shapeOf(place.typed(line)));
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const result = await place.session.run(place.typed(command), { timeoutMs: 90_000 });
      const lines = `${result.stdout}\n${result.stderr}`.split('\n');
      if (result.code === exit && shapes.every((shape) => lines.some((line) => shape.test(line)))) return;
      if (performance.now() > deadline) expect.fail(messageOf(command, exit, shapes, result));
    }
  }
});

function messageOf(command: string, exit: number, shapes: readonly RegExp[], result: ShellResult): string {
  return [`${command}: expected exit ${exit} and lines like`, ...shapes.map(String), 'but it was', JSON.stringify(result, null, 2)].join('\n');
}
