import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster } from '../support/cluster.js';
import { leaveOut } from '../support/leave-out.js';
import { kelpOnPath, runShell } from '../support/run-shell.js';

/** True if `program` can be started; else says why what needs it is skipped. */
function has(program: string): boolean {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  if (!found) process.stderr.write(`    skipped: ${program} is not installed\n`);
  return found;
}

/*
 * The scripts of kelp completion, sourced by real shells, with a real cluster to name. Each shell answers some lines in one go, as
 * `LINE => WORDS`.
 */
describe('completion in a shell', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let env: Record<string, string>;
  before(async () => {
    cluster = await startCluster({ filers: 1 });
    const [filer] = cluster.filers;
    await filer.put('/docs/a.txt', 'a');
    await filer.put('/docs/b/c.txt', 'c');
    const path = `${await kelpOnPath(cluster.directory)}:${process.env.PATH}`;
    // By default a word waits for half a second; a machine under load needs more to show what it would offer.
    env = { PATH: path, KELP_MASTER: cluster.master.address, KELP_FILER: filer.address, XDG_CONFIG_HOME: cluster.directory, HOME: cluster.directory };
  });
  after(() => cluster?.close());

  async function answers(shell: string, script: string): Promise<string> {
    const file = join(cluster.directory, `script.${shell}`);
    await writeFile(file, script);
    const { code, stdout, stderr } = await runShell(`${shell} ${shell === 'zsh' ? '-f ' : ''}'${file}'`, { cwd: cluster.directory, env });
    expect(code, stderr).to.equal(0);
    return stdout;
  }

  it('bash: commands with dots, an empty prefix, flags, filers and remote paths', async () => {
    const [filer] = cluster.filers;
    // Pieces of words as readline breaks them.
    const out = await answers(
      'bash',
      `source <(kelp completion bash)
try() {
  COMP_LINE=$1; COMP_POINT=\${#1}; COMPREPLY=(); _kelp
  printf '%s => %s\\n' "$1" "\${COMPREPLY[*]}"
}
try 'kelp filer.store'
try 'kelp filer.wait --for='
try 'kelp filer.log --filer=127.0.0.1:'
try 'kelp filer.meta.tail --pathPrefix=/docs/'
COMP_LINE='kelp '; COMP_POINT=5; _kelp; printf '%s\\n' "\${COMPREPLY[@]}" | sort | uniq -d | wc -l
complete -p kelp
`,
    );
    expect(out).to.contain('kelp filer.store => filer.store.id\n');
    expect(out).to.contain('kelp filer.wait --for= => synced ready\n');
    expect(out).to.contain(`kelp filer.log --filer=127.0.0.1: => ${filer.port}\n`);
    expect(out).to.contain('kelp filer.meta.tail --pathPrefix=/docs/ => /docs/a.txt /docs/b/\n');
    expect(out).to.match(/^0\ncomplete -F _kelp kelp$/m);
  });

  it('zsh: the same', async function () {
    if (!has('zsh')) leaveOut(this, 'zsh is not installed');
    const out = await answers(
      'zsh',
      `autoload -U compinit; compinit -u -D
source <(kelp completion zsh)
compadd() { print -r -- "\${@[-1]}" }
words=(kelp filer.store); CURRENT=2; _kelp
words=(kelp filer.wait --for=); CURRENT=3; _kelp
words=(kelp filer.meta.tail --pathPrefix=/docs/); CURRENT=3; _kelp
`,
    );
    expect(out).to.equal('filer.store.id\n--for=synced\n--for=ready\n--pathPrefix=/docs/a.txt\n--pathPrefix=/docs/b/\n');
  });

  it('fish: the same, with what each means', async function () {
    if (!has('fish')) leaveOut(this, 'fish is not installed');
    const out = await answers(
      'fish',
      `kelp completion fish | source
complete -C 'kelp filer.store'
complete -C 'kelp filer.wait --for='
`,
    );
    expect(out).to.match(/^filer\.store\.id\tShow, renew or check the ids of a store\.?$/m);
    expect(out).to.match(/--for=ready|^ready/m);
  });
});
