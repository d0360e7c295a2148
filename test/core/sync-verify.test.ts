import { expect } from 'chai';
import { parsePath } from '../../src/core/entry/path.js';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { silentLogger } from '../../src/core/logger.js';
import { parseScope, withSync } from '../../src/core/sync-process.js';
import { verify, type Verified, type VerifyOptions, type VerifySummary } from '../../src/core/sync-verify.js';
import { realTime } from '../../src/core/time.js';
import { codeOf } from '../support/open-log.js';
import { Processes } from '../support/processes.js';

/* Two clusters of one filer each, with real stores and real HTTP, in the process of the test. */

const never = new AbortController().signal;

describe('verify', function () {
  this.timeout(60_000);
  const processes = new Processes();
  let [a, b]: FilerProcess[] = [];

  const put = (filer: FilerProcess, path: string, content: string) => processes.send(filer, 'PUT', path, content);
  const remove = (filer: FilerProcess, path: string) => processes.send(filer, 'DELETE', `${path}?recursive=true`);
  const read = async (filer: FilerProcess, path: string): Promise<string | null> =>
    processes.send(filer, 'GET', path).then(
      (answer) => answer.text(),
      () => null,
    );

  /** Brings both sides level, and writes on: what a sync that is stopped has not brought. */
  const settle = async (): Promise<void> => {
    const scope = parseScope({ from: ['from', '/'], to: ['to', '/'], excludes: ['excludes', ''], deletes: true, ttlSec: 0 });
    const direction = { scope, start: { initial: 'copy', since: null } } as const;
    const rest = { changesMax: 1000, bytesPerSecond: null, maxDelete: null, port: null, program: 'test', time: realTime, logger: silentLogger };
    const sides = { a: { addresses: [a.address] }, b: { addresses: [b.address] }, aToB: direction, bToA: direction };
    expect(await withSync({ ...sides, ...rest }, never, (sync) => sync.runUntilEqual(30_000, 50, never))).to.equal(true);
  };

  const run = async (more: Partial<VerifyOptions> = {}): Promise<{ lines: string[]; summary: VerifySummary; said: string[] }> => {
    const said: string[] = [];
    const side = ({ address }: FilerProcess) => ({ address, path: parsePath('/') });
    const options = { isActivePassive: false, withAttributes: true, changedBeforeMs: Infinity, byName: false, repair: false, signal: never };
    const all: Verified[] = [];
    for await (const one of verify({ a: side(a), b: side(b), ...options, say: (text) => said.push(text), ...more })) all.push(one);
    const lines = all.flatMap((one) =>
      one.type === 'SUMMARY' ? [] : [`${one.type} ${one.path}${one.type === 'REPAIRED' ? ` ${one.deleted ? 'deleted' : 'written'} ${one.to}` : ''}`],
    );
    return { lines, summary: all.at(-1) as VerifySummary, said };
  };

  before(async () => {
    const [one, other] = [await processes.master(), await processes.master()];
    [a, b] = await Promise.all([processes.filer({ masters: [one.address] }), processes.filer({ masters: [other.address] })]);
    for (let i = 0; i < 40; i++) await put(a, `/many/d${i}/file`, String(i));
    await put(a, '/docs/both', '1');
    await put(a, '/docs/deleted', '1');
    await put(b, '/docs/deleted-in-b', '1');
    await put(b, '/docs/back', '1');
    await settle();
  });
  after(() => processes.stopAll());

  it('is told by digests that whole trees are equal, and looks at what they leave open', async () => {
    const { lines, summary } = await run();
    expect(lines).to.deep.equal([]);
    expect(summary).to.include({ totalErrors: 0, files: 0 });
    expect(summary.equalByDigest).to.be.at.least(80);
    expect((await run({ byName: true })).summary).to.include({ totalErrors: 0, files: 44, directories: 43 });
  });

  it('finds the same by digests as by names', async () => {
    await put(a, '/docs/both', 'newer in a');
    await put(a, '/new/deep/file', 'new in a');
    await remove(a, '/docs/deleted');
    await put(b, '/many/d7/file', 'newer in b');
    await put(b, '/only/here', 'new in b');
    await remove(b, '/docs/deleted-in-b');
    await put(a, '/docs/back', 'older');
    await remove(b, '/docs/back');
    await put(b, '/docs/back', 'newer');
    const byDigest = await run();
    const byName = await run({ byName: true });
    expect(byDigest.lines.sort()).to.deep.equal(byName.lines.sort());
    expect(byDigest.lines).to.include.members(['MISSING /new', 'ONLY_IN_B /only', 'ONLY_IN_B /docs/deleted', 'MISSING /docs/deleted-in-b']);
    expect(byDigest.summary.files, 'files looked at').to.be.below(byName.summary.files / 2);
  });

  it('compares name by name where digests cannot be had for all of both trees', async () => {
    const path = parsePath('/many');
    const { summary } = await run({ a: { address: a.address, path }, b: { address: b.address, path } });
    expect(summary).to.not.have.property('equalByDigest');
    expect(summary).to.include({ files: 40, totalErrors: 1 });
  });

  it('repairs towards a passive side only, and says what it left', async () => {
    const { lines, summary } = await run({ repair: true, isActivePassive: true });
    expect(lines).to.include.members(['REPAIRED /docs/both written b', 'REPAIRED /new/deep/file written b', 'NOT_REPAIRED /many/d7/file']);
    expect(await read(b, '/new/deep/file')).to.equal('new in a');
    expect([await read(a, '/many/d7/file'), await read(a, '/only/here')]).to.deep.equal(['7', null]);
    expect(summary.notRepaired).to.be.at.least(1);
  });

  it('brings to each side what it lacks, overwrites nothing newer, and deletes only what was deleted', async () => {
    await put(a, '/new/deep/more', 'more');
    const { lines, summary } = await run({ repair: true });
    expect(summary).to.include({ notRepaired: 0 });
    expect(lines).to.include.members(['REPAIRED /new/deep/more written b', 'REPAIRED /only/here written a', 'REPAIRED /docs/deleted-in-b deleted a']);
    for (const filer of [a, b]) {
      expect(
        await Promise.all(['/docs/both', '/new/deep/file', '/new/deep/more', '/many/d7/file', '/only/here', '/docs/back'].map((path) => read(filer, path))),
      ).to.deep.equal(['newer in a', 'new in a', 'more', 'newer in b', 'new in b', 'newer']);
      expect([await read(filer, '/docs/deleted'), await read(filer, '/docs/deleted-in-b')]).to.deep.equal([null, null]);
    }
    expect((await run({ byName: true })).summary.totalErrors).to.equal(0);
  });

  it('maps a directory of one side onto one of the other', async () => {
    await put(a, '/x/one/file', '1');
    await put(b, '/deep/y/two', '2');
    const sides = { a: { address: a.address, path: parsePath('/x') }, b: { address: b.address, path: parsePath('/deep/y') } };
    const { summary } = await run({ repair: true, ...sides });
    expect(summary).to.include({ notRepaired: 0, missing: 1, onlyInB: 1, repaired: 3 });
    expect([await read(b, '/deep/y/one/file'), await read(a, '/x/two')]).to.deep.equal(['1', '2']);
  });

  it('says what the other side may not have', async () => {
    await put(a, '/x/healthz', '1');
    const sides = { a: { address: a.address, path: parsePath('/x') }, b: { address: b.address, path: parsePath('/') } };
    const { lines, summary } = await run({ repair: true, isActivePassive: true, ...sides });
    expect(lines.filter((line) => line.startsWith('NOT_REPAIRED'))).to.deep.equal(['NOT_REPAIRED /x/healthz']);
    expect(summary.notRepaired).to.equal(1);
  });

  it('does not repair within one cluster', async () => {
    const { address } = a;
    expect(await codeOf(() => run({ repair: true, b: { address, path: parsePath('/') } }))).to.equal('USAGE');
  });
});
