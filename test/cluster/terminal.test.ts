import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterProcess } from '../support/cluster.js';
import { leaveOut } from '../support/leave-out.js';
import { kelpOnPath } from '../support/run-shell.js';
import { hasTerminal, TerminalWindow, type Shown } from '../support/terminal-window.js';

/** What a terminal would obey, too long for any, two columns a character, right to left. */
const names = ['plain', 'esc\u001b[31mred', 'new\nline', `${'n'.repeat(200)}.txt`, '日本'.repeat(15), 'שלום', 'rlo\u202etxt'];
const harmless = ['esc\\x1b[31mred', 'new\\x0aline', 'שלום', 'rlo\\u{202e}txt'];
/** Enough that a replay of them can be watched. */
const recorded = Array.from(
  { length: 40_000 },
  (_, i) => `{"directory":"/big","tsNs":"${1_700_000_000_000_000_000n + BigInt(i) * 1000n}","eventNotification":{"newEntry":{"name":"f${i}"}}}\n`,
);
const escape = '\u001b';

describe('kelp in a terminal', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let other: ClusterProcess;
  const windows: TerminalWindow[] = [];

  before(async function () {
    if (!hasTerminal()) leaveOut(this, 'tmux is not installed');
    cluster = await startCluster({ filers: 3 });
    const [a] = cluster.filers;
    for (const name of names) await a.put(`/names/${name}`, 'x');
    await cluster.converged();
    other = await cluster.addFiler({ masters: [] });
    await writeFile(join(cluster.directory, 'changes.jsonl'), recorded.join(''));
    const env = {
      ...process.env,
      PATH: `${await kelpOnPath(cluster.directory)}:${process.env.PATH}`,
      KELP_MASTER: cluster.master.address,
      KELP_FILER: a.address,
    };
    for (const name of ['CI', 'NO_COLOR', 'FORCE_COLOR', 'TMUX']) delete (env as NodeJS.ProcessEnv)[name];
    for (const columns of [80, 40]) windows.push(await TerminalWindow.open({ columns, directory: cluster.directory, env }));
  });
  after(async () => {
    for (const window of windows) await window.close();
    await cluster?.close();
  });

  const each = async (check: (window: TerminalWindow) => Promise<void>): Promise<void> => {
    for (const window of windows) await check(window);
  };
  /** The lines of what a command shows, none of them wider than the terminal. */
  const linesOf = (shown: Shown): readonly string[] => {
    expect(shown.wrapped, shown.lines.join('\n')).to.deep.equal([]);
    return shown.lines;
  };

  it('shows tables no wider than it is, with fewer columns where it is narrow', () =>
    each(async (window) => {
      const [heading = '', ...pairs] = linesOf(await window.run('kelp filer.peers'));
      expect(heading.includes('DIGEST')).to.equal(window.columns === 80);
      expect(heading).to.match(/^FILER +PEER +STATE +BEHIND +LAG/);
      expect(pairs).to.have.length(6);
      expect(linesOf(await window.run('kelp filer.log')).join('\n')).to.match(/^WHAT +VALUE\n[^]*\n\nPEER +REPORT +MISSING/);
    }));

  it('shows names as text, whatever is in them, and cuts what is too long', () =>
    each(async (window) => {
      const lines = linesOf(await window.run('kelp fs.ls -l /names'));
      expect(lines).to.have.length(names.length + 1);
      for (const name of harmless) expect(lines.filter((line) => line.endsWith(name))).to.have.length(1);
      expect(lines.filter((line) => /… ?\S+\.txt$/.test(line))).to.have.length(1);
      for (const line of lines.slice(0, -1)) expect(line).to.match(/^-rw-rw---- /);
      const tree = linesOf(await window.run('kelp fs.tree /names'));
      expect(tree.map((line) => line.slice(0, 3))).to.deep.equal(['nam', ...names.slice(1).map(() => '├──'), '└──', '1 d']);
    }));

  it('has colours unless NO_COLOR or a flag says otherwise', () =>
    each(async (window) => {
      const isColoured = async (command: string) => (await window.run(command)).coloured.some((line) => line.includes(escape));
      expect(await isColoured('kelp filer.peers')).to.equal(true);
      expect(await isColoured('NO_COLOR=1 kelp filer.peers')).to.equal(false);
      expect(await isColoured('kelp filer.peers --color=never')).to.equal(false);
      expect(await isColoured('NO_COLOR=1 kelp filer.peers --color=always')).to.equal(true);
    }));

  it('draws filer.peers --watch in one place, worst first, with a line of the last lags', async () => {
    const b = cluster.filers[1] as ClusterProcess;
    await each(async (window) => {
      await window.start('kelp filer.peers --watch');
      await window.waitForLine(/^lag ▁{2,} 0s$/);
      // Of one that hangs nobody knows how far it is behind, nor how far the others are behind it.
      b.pause();
      try {
        const lines = linesOf(await window.waitForLine(/ unknown/));
        const pairs = lines.filter((line) => line.includes(':'));
        const known = pairs.map((line) => !line.includes(' unknown'));
        expect(known).to.deep.equal([...known].sort());
        expect(lines.filter((line) => line.startsWith('FILER'))).to.have.length(1);
      } finally {
        b.resume();
      }
      const recovered = linesOf(await window.waitForLine(/^lag .*▁ 0s$/));
      expect(recovered.filter((line) => line.startsWith('lag'))).to.have.length(1);
      await window.interrupt();
      expect((await window.ended()).code).to.equal(130);
    });
  });

  it('draws filer.sync in one place, and leaves how it ended', () =>
    each(async (window) => {
      await window.start(`kelp filer.sync --logLevel=info --a=${cluster.filers[0]?.address} --b=${other.address}`);
      await window.waitForLine(/^b to a +following/);
      await window.interrupt();
      const ended = await window.ended();
      expect(ended.code).to.equal(130);
      // What it says of its links stands above.
      const table = linesOf(ended).filter((line) => /^(DIRECTION|[ab] to [ab]) /.test(line));
      expect(table.map((line) => line.split(/ {2,}/).slice(0, 2))).to.deep.equal([
        ['DIRECTION', 'STATE'],
        ['a to b', 'stopped'],
        ['b to a', 'stopped'],
      ]);
    }));

  it('tells how fast a replay is and how long it will take, on one line', () =>
    each(async (window) => {
      await window.start(`kelp filer.meta.replay changes.jsonl --store=./copy-${window.columns}`);
      const [line = '', ...more] = linesOf(await window.waitForLine(/[\d,]+\/s, \d+ %, .* left$/));
      expect(line).to.match(/^\S …?.*/);
      expect(more).to.deep.equal([]);
      await window.interrupt();
      const ended = await window.ended();
      expect(ended.code).to.equal(130);
      expect(linesOf(ended).join(' ').replace(/ +/g, ' ')).to.match(/^\S stopped: \d+ applied, .*; the same command begins again/);
    }));
});
