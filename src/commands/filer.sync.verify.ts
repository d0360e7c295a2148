import { Flags } from '@oclif/core';
import { parsePathPrefix } from '../core/api/meta/tail.js';
import { verify, type Verified, type VerifySummary } from '../core/sync-verify.js';
import { realTime } from '../core/time.js';
import { differenceLine } from '../core/tree/tree-compare.js';
import { BaseCommand } from '../ux/base-command.js';
import { address, duration } from '../ux/flags.js';
import { writeJsonLines, writeLines } from '../ux/json-lines.js';
import { printable } from '../ux/printable.js';

export default class FilerSyncVerify extends BaseCommand<typeof FilerSyncVerify> {
  static override description = [
    'Compare the trees of two filers, or one directory of each, name by name.\n',
    'Directories are compared by presence, files by size and then by ETag, with --attributes by mode, owner, times, type and tags too.',
    'Of two whole trees the digests are compared first, and only what they leave open is read; --byName reads everything.',
    'While a sync is under way, what it has not brought yet shows as a difference; --modifiedTimeAgo leaves out what is that young.\n',
    'Without --repair it only reports: so it is the plan of a repair. --repair brings what is missing or different to the side that lacks it, as filer.sync',
    'does: nothing newer is overwritten, and only what was deleted on the other side is deleted. Then it compares again, and says what it could not repair.\n',
    'Exits 0 if they are equal, after a repair if there is one, 1 if not.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.sync.verify --a=localhost:8888 --b=localhost:9888',
    '<%= config.bin %> filer.sync.verify --a=localhost:8888 --b=localhost:9888 --a.path=/docs --b.path=/mirror/docs --isActivePassive --jsonOutput',
    '<%= config.bin %> filer.sync.verify --a=localhost:8888 --b=localhost:9888 --repair',
  ];
  static override flags = {
    a: address({ description: 'filer of cluster A', required: true, defaultPort: 8888 }),
    b: address({ description: 'filer of cluster B', required: true, defaultPort: 8888 }),
    'a.path': Flags.string({ description: 'directory of A', default: '/', helpValue: '<path>' }),
    'b.path': Flags.string({ description: 'directory of B', default: '/', helpValue: '<path>' }),
    isActivePassive: Flags.boolean({ description: 'what only B has is no difference, and a repair writes nothing to A' }),
    modifiedTimeAgo: duration({ description: 'leave out files that were changed this long ago or later; 0 = none', default: 0 }),
    repair: Flags.boolean({ description: 'bring what is missing or different, and compare again' }),
    byName: Flags.boolean({ description: 'compare all names, also where digests say that both sides are equal' }),
    attributes: Flags.boolean({ description: 'compare attributes and tags too' }),
    'a.secretFile': Flags.string({ description: 'file with the secret of cluster A, if it is not that of --secretFile', helpValue: '<file>' }),
    'b.secretFile': Flags.string({ description: 'the same for B', helpValue: '<file>' }),
    jsonOutput: Flags.boolean({ description: 'print JSON lines, the last one a summary' }),
    exitCode: Flags.option({ options: ['kelp', 'weed'] as const })({ description: 'exit 1 if they differ, or 2 as weed does', default: 'kelp' as const }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { a, b, isActivePassive, modifiedTimeAgo, attributes, jsonOutput, json, exitCode, byName, repair } = this.flags;
    const [inA, inB] = [parsePathPrefix(this.flags['a.path']), parsePathPrefix(this.flags['b.path'])];
    const changedBeforeMs = modifiedTimeAgo === 0 ? Infinity : realTime.micros() / 1000 - modifiedTimeAgo;
    const found = verify({
      a: { address: a, path: inA, signer: this.signerOf(this.flags['a.secretFile']) },
      b: { address: b, path: inB, signer: this.signerOf(this.flags['b.secretFile']) },
      isActivePassive,
      withAttributes: attributes,
      changedBeforeMs,
      byName,
      repair,
      say: (text) => this.say(text),
      signal: this.signal,
    });
    for await (const one of found) {
      if (json || jsonOutput) await writeJsonLines(process.stdout, [one]);
      else if (one.type !== 'SUMMARY') await writeLines(process.stdout, [printable(lineOf(one))]);
      if (one.type !== 'SUMMARY') continue;
      if (!json && !jsonOutput) this.say(summaryOf(one));
      if ((one.notRepaired ?? one.totalErrors) > 0) process.exitCode = exitCode === 'weed' ? 2 : 1;
    }
  }
}

function lineOf(one: Exclude<Verified, VerifySummary>): string {
  if (one.type === 'REPAIRED') return `[REPAIRED] ${one.path} ${one.deleted ? 'deleted from' : 'written to'} ${one.to}`;
  if (one.type === 'NOT_REPAIRED') return `[NOT_REPAIRED] ${one.isDirectory ? `${one.path}/` : one.path} ${one.difference}: ${one.reason}`;
  return differenceLine(one);
}

function summaryOf({ directories, files, totalErrors, equalByDigest, repaired, notRepaired }: VerifySummary): string {
  return [
    ...(equalByDigest === undefined ? [] : [`${equalByDigest} entries equal by digest`]),
    `${directories} directories, ${files} files, ${totalErrors} differences`,
    ...(repaired === undefined ? [] : [`${repaired} entries repaired, ${notRepaired} differences left`]),
  ].join('; ');
}
