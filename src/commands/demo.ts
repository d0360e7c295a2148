import { once } from 'node:events';
import { basename, relative, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { logOf, type DemoSecret } from '../core/demo/demo-cluster.js';
import { runDemo, type DemoPlace, type DemoResult } from '../core/demo/demo.js';
import type { PeerRow } from '../core/demo/peer-rows.js';
import type { Witness } from '../core/demo/proof.js';
import { counted } from '../core/demo/story.js';
import { FilerError, isFailure } from '../core/errors.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { StoryView } from '../ux/story-view.js';
import { renderTable, type Column } from '../ux/table.js';
import { isLive, widthOf } from '../ux/terminal.js';

const peerColumns: Column<PeerRow>[] = [
  { header: 'FILER', value: (row) => row.filer },
  { header: 'ADDRESS', value: (row) => row.address, dropOrder: 1 },
  { header: 'PEER', value: (row) => row.peer },
  { header: 'STATE', value: (row) => row.state, paint: (row, style) => (row.state === 'following' ? style.good : style.warning) },
  { header: 'BEHIND', value: (row) => row.behind, align: 'right', paint: (row, style) => (row.behind === 0 ? style.faint : style.warning) },
  { header: 'LAG', value: (row) => (row.lagSeconds === null ? null : `${row.lagSeconds.toFixed(1)}s`), align: 'right' },
  { header: 'RATE', value: (row) => (row.rate === null ? null : `${Math.round(row.rate)}/s`), align: 'right', dropOrder: 2 },
  { header: 'DIGEST', value: (row) => row.digest, paint: (row, style) => (row.digest === 'different' ? style.bad : style.faint) },
];

const proofColumns: Column<Witness>[] = [
  { header: 'FILER', value: (row) => row.filer },
  { header: 'ADDRESS', value: (row) => row.address, dropOrder: 1 },
  { header: 'ENTRIES', value: (row) => row.entries, align: 'right' },
  { header: 'DIGEST', value: (row) => row.digest },
  { header: 'RECOMPUTED', value: (row) => row.recomputed, paint: (row, style) => (row.recomputed === row.digest ? style.good : style.bad) },
  { header: 'TREE', value: (row) => row.tree },
];

export default class Demo extends BaseCommand<typeof Demo> {
  static override description = `Watch filers keep one tree the same: a master and three filers, then a fourth, as processes of their own.

Copies a directory into the first filer, changes it on the others, kills one with -9 and starts it again on another port, writes one path on two filers at once, has a fresh filer join late, and compares every tree and digest. All of it is in a temporary folder, which is removed at the end.`;
  static override examples = [
    '<%= config.bin %> demo',
    { description: 'Copy another directory, end by itself: 0 if all filers are equal, else 1', command: '<%= config.bin %> demo /etc --once' },
    '<%= config.bin %> demo docs --once --json',
  ];
  static override args = { dir: Args.string({ description: "directory to copy; default: kelp's own folder" }) };
  static override enableJsonFlag = true;
  static override flags = { once: Flags.boolean({ description: 'end after the proof instead of staying up until Ctrl-C' }) };
  protected override readonly kind = 'stream';
  #exit: number | null = null;

  async run(): Promise<DemoResult> {
    const { once: isOnce } = this.flags;
    const isJson = this.jsonEnabled();
    if (isJson && !isOnce) throw new FilerError('USAGE', '--json prints the result of a demo that ends by itself; add --once');
    const out = isJson ? process.stderr : process.stdout;
    const live = !isJson && isLive(out);
    const style = this.styleFor(out);
    const width = live ? widthOf(out) : null;
    const view = new StoryView(out, live, style);
    const tellProof = ({ equal, proof }: DemoResult): void => {
      view.raw(`\n${renderTable(proofColumns, proof.witnesses, { width, style })}\n`);
      for (const difference of proof.differences) view.line('different', difference, style.bad);
      if (equal)
        view.line('equal', `${proof.witnesses.length} filers, one tree of ${counted(proof.witnesses[0]?.entries ?? 0, 'entry')}, one digest`, style.good);
      this.#exit = equal ? 0 : 1;
    };
    // The terminal is gone: an orderly end, as if told to.
    process.once('SIGHUP', () => process.kill(process.pid, 'SIGTERM'));
    try {
      return await runDemo({
        directory: this.args.dir ?? this.config.root,
        launch: { program: process.execPath, args: [process.argv[1] as string] },
        secret: this.#secret(),
        time: realTime,
        signal: this.signal,
        events: {
          told: (step, line) => view.line(step, line),
          progress: (text) => view.progress(text),
          peers: live ? (rows) => view.block(renderTable(peerColumns, rows, { width, style }).trimEnd().split('\n')) : undefined,
        },
        proven: async (place, result, signal) => {
          tellProof(result);
          if (isOnce) return;
          for (const line of invitation(place, result, this.flags.secretFile)) view.line('try', line);
          view.line('end', `Ctrl-C stops everything and removes ${place.directory}`);
          if (!signal.aborted) await once(signal, 'abort');
        },
      });
    } catch (error) {
      for (const line of logOf(error)) this.say(`  ${line}`);
      throw error;
    } finally {
      view.end();
    }
  }

  #secret(): DemoSecret | undefined {
    const { signer } = this;
    return signer && { file: resolve(this.flags.secretFile as string), signer };
  }

  /** Whatever fails once the directory was good means that the proof was not given. */
  override async catch(error: Error): Promise<void> {
    await super.catch(error);
    if (isFailure(error) && !isFailure(error, 'USAGE')) process.exitCode = 1;
  }

  /** After the proof a signal is the good end; before, it interrupts. */
  override async finally(): Promise<void> {
    if (this.#exit === null) await super.finally();
    else process.exitCode ??= this.#exit;
  }
}

/** How this program was called, so that the line works when pasted. */
function ownName(): string {
  const script = process.argv[1] as string;
  return basename(script) === 'kelp' ? 'kelp' : `node ${relative(process.cwd(), script)}`;
}

function invitation({ master, filers }: DemoPlace, { conflict, proof }: DemoResult, secretFile: string | undefined): string[] {
  const [first, , third, fourth] = filers;
  // Each ledger holds what its own filer has seen; the fourth came later.
  const ledger = proof.witnesses.find(({ filer }) => filer === conflict.ledger.filer);
  return [
    `curl 'http://${first}/?pretty=y'`,
    `curl -X PUT -d 'hello' http://${first}/hello.txt`,
    `curl http://${third}/hello.txt`,
    `curl -X POST 'http://${fourth}/moved.txt?mv.from=/hello.txt'`,
    // What only takes signed requests is for commands.
    ...(secretFile === undefined
      ? [`curl -N 'http://${third}/.filer/v1/changes?offset=now&live=sse'`, `curl http://${ledger?.address}/.filer/v1/conflicts`]
      : [`${ownName()} filer.meta.tail --filer=${third} --secretFile=${secretFile}`]),
    `${ownName()} filer.peers --master=${master} --watch${secretFile === undefined ? '' : ` --secretFile=${secretFile}`}`,
  ];
}
