import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ConflictReport, QuarantinedReport } from '../../src/core/api/meta/ask-filer.js';
import { documentPages, manualExamples, root, type Page } from '../support/examples.js';
import { ForgedPeer } from '../support/forged-peer.js';
import { nextHost, Place } from '../support/place.js';
import { kelpOnPath } from '../support/run-shell.js';
import { ShellSession } from '../support/shell-session.js';
import { waitFor } from '../support/wait-for.js';

/*
 * Everything that help, manual, README and docs tell a reader to type is typed here, in a real bash with real filers, page by page.
 *
 * What is printed is changed in two ways only. `localhost`, 127.0.0.1 and 10.0.0.x become loopback addresses of this run, so that the
 * ports can stay as they are; /tmp, /etc and /var/lib/kelp become folders of this run. Ids of the examples become ids that exist.
 *
 * An example needs nothing here if it ends with 0 and prints something to stdout. The tables below say what else is expected; what is
 * in a table and no longer in a text fails too.
 */

interface Expected {
  /** Exit code; default 0. */
  readonly code?: number;
  /** What it prints, to stdout or stderr; default something to stdout. */
  readonly prints?: RegExp;
  /** It goes on by itself: Ctrl-C is pressed when it has printed that. */
  readonly goesOn?: boolean;
}

/** Ends with 0 and prints nothing. */
const silent: Expected = { prints: /^$/ };
const serves = (prints: RegExp): Expected => ({ goesOn: true, code: 0, prints });
const follows = (prints: RegExp): Expected => ({ goesOn: true, code: 130, prints });
const master = serves(/master of cluster .* listens at 127\./);
const filer = serves(/filer http:\/\/127\.\S+ origin=[0-9a-f]{16}/);

const expected: Readonly<Record<string, Expected>> = {
  'source <(kelp completion bash)': silent,
  'kelp completion zsh': { prints: /^#compdef kelp/ },
  'kelp completion fish': { prints: /^complete -c kelp/m },
  // Told to stop as soon as it has begun; the other two go through all of it.
  'kelp demo': follows(/master and three filers/),
  'kelp demo /etc --once': { prints: /4 filers, one tree of / },
  'kelp demo docs --once --json': { prints: /"equal": true/ },
  'kelp filer.cat http://localhost:8888/docs/a.txt': { prints: /^hello$/ },
  'kelp filer.cat -o /tmp/a.txt --filer=localhost:8888 /docs/a.txt': silent,
  'kelp filer.conflicts --filer=localhost:8888': { code: 1, prints: /update\/update\t\/docs\/a\.txt/ },
  'kelp filer.conflicts --path=/docs/a.txt --limit=5': { code: 1, prints: /update\/update\t\/docs\/a\.txt/ },
  'kelp filer.conflicts --restore=0123456789abcdef': { prints: /^[0-9a-f]{16}:\d+\n$/ },
  "kelp filer.copy -include='*.md' -check.size docs http://localhost:8888/papers/": { prints: /[1-9] left as they were/ },
  'kelp filer': filer,
  'kelp filer --port=8889 --master=localhost:9333 --defaultStoreDir=/var/lib/kelp': filer,
  'kelp filer --ip=10.0.0.6 --master=10.0.0.5:9333 --secretFile=/etc/kelp/secret': filer,
  'kelp filer.meta.backup --filer=localhost:8888 --store=./backup': follows(/following from here/),
  'kelp filer.meta.backup --filer=localhost:8888,localhost:8889 --store=./backup --once --timeout=10m': { prints: /backup holds all of it/ },
  'kelp filer.meta.backup --filer=localhost:8888 --store=./docs-only --includePrefixes=/docs,/tmp/kept --excludePrefixes=/tmp --once': {
    prints: /docs-only holds all of it/,
  },
  'kelp filer.meta.tail --position= --no-follow > changes.jsonl': { prints: /resume with --position=/ },
  'kelp filer.meta.replay changes.jsonl --filer=localhost:8888': { prints: /^0 applied, .*[1-9]\d* unchanged/ },
  'kelp filer.meta.replay --from=localhost:8888 --store=./copy': { prints: /^[1-9]\d* applied/ },
  'weed filer.meta.tail -timeAgo=24h | kelp filer.meta.replay - --checkpoint=weed': { prints: /^1 applied/ },
  'kelp filer.meta.tail': follows(/"eventNotification"/),
  'kelp filer.meta.tail --filer=localhost:8888 --pathPrefix=/docs --format=short': follows(/\tCREATE\t\/docs\//),
  "kelp filer.meta.tail --pattern='*.txt' --timeAgo=1h --no-follow": { prints: /"name":"a\.txt"/ },
  'kelp filer.meta.tail --filer=localhost:8888,localhost:8889 --format=short --op=DELETE,RENAME': follows(/\tDELETE\t\/docs\//),
  'kelp filer.peers --filer=localhost:8888 --watch': follows(/"pairs":\[\{/),
  'kelp filer.peers --forget=0123456789abcdef': { prints: /is off the list of .*, and closed at/ },
  'kelp filer.quarantine --filer=localhost:8888': { code: 1, prints: /:1\t\/held\t/ },
  'kelp filer.quarantine --retry=all': { code: 1, prints: /^refused\t/ },
  'kelp filer.quarantine --drop=0123456789abcdef:42': { prints: /^dropped\t/ },
  'kelp filer.store.id --store=/var/lib/kelp --check': { prints: /all of it fits together/ },
  'kelp filer.sync --a=localhost:8888 --b=localhost:9888': follows(/following/),
  'kelp filer.sync --a=localhost:8888 --b=localhost:9888 --plan': { prints: /a to b/ },
  'kelp filer.sync --a=localhost:8888 --b=localhost:9888 --a.path=/docs --b.path=/mirror/docs --isActivePassive': follows(/following/),
  'kelp filer.sync.checkpoints --filer=localhost:9888 --reset=0123456789abcdef': { prints: /is forgotten; it begins with a copy/ },
  'kelp filer.sync.verify --a=localhost:8888 --b=localhost:9888': { prints: /, 0 differences/ },
  'kelp filer.sync.verify --a=localhost:8888 --b=localhost:9888 --repair': { prints: /, 0 differences left/ },
  'kelp fs.meta.load -v=false /tmp/tree.meta.gz': { prints: /total \d+ directories, \d+ files/ },
  'kelp fs.meta.save --filer=localhost:8888 -o - / > /tmp/tree.jsonl': { prints: /total \d+ directories, \d+ files/ },
  'kelp fs.mkdir /reports/2026': silent,
  'kelp fs.mkdir http://localhost:8888/reports/2027': silent,
  'kelp fs.mv /docs/a.txt /docs/b.txt': { prints: /move: \/docs\/a\.txt => \/docs\/b\.txt/ },
  'kelp fs.rm -f /docs/a.txt /docs/b.txt': silent,
  'kelp fs.rm -rf --filer=localhost:8888 /docs': silent,
  'kelp fs.rm -r -f http://localhost:8888/papers': silent,
  'kelp master': master,
  'kelp master --port=9334 --mdir=/var/lib/kelp': master,
  'kelp master --ip=10.0.0.5 --secretFile=/etc/kelp/secret': master,
  'kelp server --dir=/var/lib/kelp': filer,
  'kelp server --dir=/var/lib/kelp --filer.port=8889 --master.port=9334': filer,
  'kelp server --ip=10.0.0.5 --dir=/var/lib/kelp --secretFile=/etc/kelp/secret': filer,
  'kelp filer.meta.tail --filer 127.0.0.1:8889 # all changes of the cluster, as JSON lines, from now on': follows(/"eventNotification"/),
};

/** What is expected of a command that is in no table: curl need not print, nor a job or an assignment. */
function expectedOf(command: string): Expected {
  const isQuiet = /^curl |^mkdir -p |^\w+=\$\(|&\s*(#.*)?$/.test(command);
  return expected[command] ?? (isQuiet ? { prints: /^/ } : {});
}

/** What is not typed here, and why. */
const notRun: Readonly<Record<string, string>> = {
  'npm ci && npm start': 'installs packages; the demo itself is run as kelp demo',
  'npm ci && npm test': 'would run these tests in these tests',
  'npm run build && npm link          # once: makes `kelp` a command': 'changes the installation; kelp of the last build is on the PATH',
};

/** How long a command may fail while filers join and machines are busy. */
const patienceMs = 30_000;

const id = '0123456789abcdef';
/** What must be there before a page, or one command of it, is typed. */
const preparations: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  'kelp-demo': async (place) => {
    await copyDocuments(place);
    await cp(join(root, 'src/commands'), join(place.folder, 'etc/commands'), { recursive: true });
  },
  'kelp-filer': async (place) => {
    await writeSecret(place);
    await place.session.run('kelp master &');
    await place.session.run(place.typed('kelp master --ip=10.0.0.5 --mdir=five --secretFile=/etc/kelp/secret &'));
  },
  'kelp-filer.conflicts': troubled,
  'kelp-filer.quarantine': troubled,
  'kelp-filer.copy': copyDocuments,
  'kelp filer.peers --forget=0123456789abcdef': async (place) => {
    const gone = await ShellSession.start({ cwd: place.folder, env: { KELP_IP: place.host } });
    try {
      await gone.run(`kelp filer --port=8890 --master=${place.host}:9333 --defaultStoreDir=gone &`);
      await ready(`${place.host}:8890`);
      place.ids.set(id, (await json<{ origin: string }>(`${place.host}:8890`, '/.filer/v1/store')).origin);
      await gone.interruptJobs();
    } finally {
      await gone.close();
    }
  },
  'kelp-filer.store.id': async (place) => {
    await place.session.run(place.typed('kelp filer.meta.replay --from=localhost:8888 --store=/var/lib/kelp'));
  },
  'kelp-filer.sync.checkpoints': async (place) => {
    const [link] = await linksAt(place, '9888');
    place.ids.set(id, link ?? 'no link');
  },
  'kelp filer.sync.verify --a=localhost:8888 --b=localhost:9888': (place) => syncOnce(place, ''),
  'kelp filer.sync.verify --a=localhost:8888 --b=localhost:9888 --a.path=/docs --b.path=/mirror/docs --isActivePassive --jsonOutput': (place) =>
    syncOnce(place, '--a.path=/docs --b.path=/mirror/docs --isActivePassive'),
  'kelp-filer.wait': async (place) => {
    const { origin, position } = await json<{ origin: string; position: Record<string, number> }>(`${place.host}:8888`, '/.filer/v1/store');
    place.ids.set(`${id}:42`, `${origin}:${position[origin]}`);
  },
  'kelp-master': writeSecret,
  'kelp-server': writeSecret,
  'README.md': copyDocuments,
  'docs/protocol.md': async (place) => {
    await writeFile(join(place.folder, 'secret'), `${'5e'.repeat(32)}\n`, { mode: 0o600 });
    await place.session.run('kelp server --secretFile=secret &');
    await ready(`${place.host}:8888`);
  },
};

/** Pages that start their own filers; all others are typed at one cluster, with a second one at the ports of 9888. */
const apart = new Set([
  'kelp',
  'kelp-demo',
  'kelp-filer',
  'kelp-filer.conflicts',
  'kelp-filer.quarantine',
  'kelp-master',
  'kelp-server',
  'README.md',
  'docs/protocol.md',
]);

/** Documents with a test of their own. */
const elsewhere = ['docs/debugging-lag.md'];

const pages: readonly Page[] = [...manualExamples(), ...documentPages(elsewhere)];
const commands = pages.flatMap((page) => page.commands);

describe('every example of the help, the manual, README and docs', function () {
  this.timeout(300_000);
  const { PATH } = process.env;
  let directory: string;
  let shared: string;
  let server: ShellSession;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kelp-examples-'));
    process.env.PATH = `${await tools(directory)}:${PATH}`;
    shared = nextHost();
    server = await ShellSession.start({ cwd: directory, env: { KELP_IP: shared } });
    await server.run('kelp server --dir=one &');
    await server.run(`kelp filer --port=8889 --master=${shared}:9333 --defaultStoreDir=two &`);
    await server.run('kelp server --dir=other --master.port=9999 --filer.port=9888 &');
    await Promise.all(['8888', '8889', '9888'].map((port) => ready(`${shared}:${port}`)));
    for (let file = 0; file < 100; file += 1) await put(`${shared}:8888`, `/many/${file}`, 'x');
  });

  after(async () => {
    await Promise.all(forged.map((peer) => peer.close()));
    process.env.PATH = PATH;
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('is run below, but for those that are named here', () => {
    for (const [command, why] of Object.entries(notRun)) process.stderr.write(`      not run: ${command}: ${why}\n`);
    const stale = [...Object.keys(expected), ...Object.keys(notRun)].filter((command) => !commands.includes(command));
    expect(stale, 'these are expected here and in no text').to.deep.equal([]);
    expect(Object.keys(preparations).filter((name) => !commands.includes(name) && !pages.some((page) => page.name === name))).to.deep.equal([]);
    expect([...apart].filter((name) => !pages.some((page) => page.name === name))).to.deep.equal([]);
  });

  for (const page of pages) {
    it(`${page.name}: ${page.commands.length}`, async () => {
      const place = await placeFor(page.name);
      try {
        await preparations[page.name]?.(place);
        for (const command of page.commands) {
          if (notRun[command] !== undefined) continue;
          if (!apart.has(page.name)) await seed(`${shared}:8888`);
          if (command.startsWith('kelp filer.sync ')) await forgetLinks(place);
          await preparations[command]?.(place);
          await type(place, command);
        }
        expect(await place.session.interruptJobs(), 'what was put into the background ends well').to.satisfy((codes: number[]) =>
          codes.every((code) => code === 0),
        );
      } finally {
        await place.session.close();
      }
    });
  }

  async function placeFor(name: string): Promise<Place> {
    const host = apart.has(name) ? nextHost() : shared;
    // These look at a whole cluster unless a filer is named.
    const isWhole = ['kelp', 'kelp-filer.peers', 'kelp-filer.wait', 'README.md'].includes(name);
    return Place.open(join(directory, name), host, isWhole ? {} : { KELP_FILER: `${host}:8888` });
  }

  /** Again as long as it does not end as it should: a machine under load may answer 503, and a reader would try again. */
  async function type(place: Place, command: string): Promise<void> {
    const { code = 0, prints, goesOn = false } = expectedOf(command);
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const text = place.typed(command);
      const result = goesOn ? await place.session.interrupt(text, (output) => stirred(place, output, prints)) : await place.session.run(text);
      const { stdout, stderr } = result;
      expect(stderr, command).to.not.match(/this is a bug|^\s+at .*\.js:\d+/m);
      if (result.code === code && (prints ? prints.test(stdout) || prints.test(stderr) : stdout !== '')) return;
      if (performance.now() > deadline)
        throw new Error(`${command}\nexpected: exit ${code}, ${prints ?? 'something on stdout'}\n${JSON.stringify(result, null, 2)}`);
    }
  }

  /** A follower has something to print only if something happens. */
  async function stirred(place: Place, output: string, prints = /./): Promise<boolean> {
    if (prints.test(output)) return true;
    await put(`${place.host}:8888`, '/docs/stir.txt', 'x').catch(() => {});
    await fetch(`http://${place.host}:8888/docs/stir.txt`, { method: 'DELETE' }).catch(() => {});
    return false;
  }
});

/** kelp of the last build, and a weed that prints a change as SeaweedFS does. */
async function tools(directory: string): Promise<string> {
  const folder = await kelpOnPath(directory);
  const newEntry = { name: 'w.txt', isDirectory: false, attributes: { fileSize: '1', mtime: '5' }, content: 'eA==', chunks: [] };
  const event = {
    directory: '/weed',
    eventNotification: { oldEntry: null, newEntry, deleteChunks: false, newParentPath: '/weed', signatures: [7] },
    tsNs: '1763763267000000000',
  };
  await writeFile(join(folder, 'weed'), `#!/bin/sh\ncat <<'END'\n${JSON.stringify(event, null, 2)}\nEND\n`);
  await chmod(join(folder, 'weed'), 0o755);
  return folder;
}

const forged: ForgedPeer[] = [];

/** One conflict at /docs/a.txt and one change in quarantine, at a filer of its own, from a peer that breaks the rules. */
async function troubled(place: Place): Promise<void> {
  const address = `${place.host}:8888`;
  await place.session.run('kelp server &');
  await ready(address);
  await put(address, '/docs/a.txt', 'hello');
  const { origin, clusterId } = await json<{ origin: string; clusterId: string }>(address, '/.filer/v1/store');
  const peer = await ForgedPeer.start(`${place.host}:9333`, clusterId, [origin]);
  forged.push(peer);
  peer.log.putBad('/held');
  peer.log.put('/docs/a.txt', { entry: { content: Buffer.from('other').toString('base64'), attributes: { fileSize: '5' } } });
  const conflict = await waitFor(
    async () => {
      const { conflicts } = await json<{ conflicts: ConflictReport[] }>(address, '/.filer/v1/conflicts');
      return conflicts[0];
    },
    { what: 'a conflict', timeoutMs: 60_000 },
  );
  const { quarantine } = await json<{ quarantine: QuarantinedReport[] }>(address, '/.filer/v1/quarantine');
  place.ids.set(`${id}:42`, quarantine[0]?.dot ?? 'no dot');
  place.ids.set(id, conflict.id);
}

async function linksAt({ session, host }: Place, port: string): Promise<string[]> {
  const { stdout } = await session.run(`kelp filer.sync.checkpoints --filer=${host}:${port} --json`);
  return (JSON.parse(stdout) as { link: string }[]).map(({ link }) => link);
}

/** Two examples put different directories at the same place, which a sync refuses while it remembers the other. */
async function forgetLinks(place: Place): Promise<void> {
  for (const port of ['8888', '9888']) {
    for (const link of await linksAt(place, port)) await place.session.run(`kelp filer.sync.checkpoints --filer=${place.host}:${port} --reset=${link}`);
  }
}

async function syncOnce(place: Place, more: string): Promise<void> {
  await forgetLinks(place);
  const { code, stderr } = await place.session.run(`kelp filer.sync --a=${place.host}:8888 --b=${place.host}:9888 --once ${more}`);
  expect(code, stderr).to.equal(0);
}

async function writeSecret({ folder }: Place): Promise<void> {
  await writeFile(join(folder, 'etc/kelp/secret'), `${'5e'.repeat(32)}\n`, { mode: 0o600 });
}

async function copyDocuments({ folder }: Place): Promise<void> {
  for (const name of ['README.md', 'docs']) await cp(join(root, name), join(folder, name), { recursive: true });
}

/** What examples name is there. */
async function seed(address: string): Promise<void> {
  for (const [path, content] of [
    ['/docs/a.txt', 'hello'],
    ['/papers/b.txt', 'paper'],
  ] as const) {
    if (!(await fetch(`http://${address}${path}`)).ok) await put(address, path, content);
  }
}

async function put(address: string, path: string, body: string): Promise<void> {
  const response = await fetch(`http://${address}${path}`, { method: 'PUT', body });
  if (!response.ok) throw new Error(`PUT ${path} answered ${response.status}: ${await response.text()}`);
}

async function json<T>(address: string, path: string): Promise<T> {
  return (await (await fetch(`http://${address}${path}`)).json()) as T;
}

const ready = (address: string) =>
  waitFor(async () => (await fetch(`http://${address}/readyz`)).ok, { what: `${address} to be ready`, timeoutMs: 60_000, everyMs: 100 });
