import { expect } from 'chai';
import { TreeClient } from '../../../src/core/api/filer/client.js';
import { parsePath } from '../../../src/core/entry/path.js';
import type { FilerProcess } from '../../../src/core/filer-process.js';
import { compareTrees, differenceLine, type CompareOptions, type CompareSummary, type Difference } from '../../../src/core/tree/tree-compare.js';
import { Processes } from '../../support/processes.js';

describe('compareTrees', () => {
  const processes = new Processes();
  let [a, b]: FilerProcess[] = [];

  before(async () => {
    [a, b] = [await processes.filer(), await processes.filer()];
    const put = async (path: string, inA: string | null, inB: string | null) => {
      if (inA !== null) await processes.send(a as FilerProcess, 'PUT', `/top${path}`, inA);
      if (inB !== null) await processes.send(b as FilerProcess, 'PUT', path, inB);
    };
    await put('/both/same', '1', '1');
    await put('/both/longer', '1', '12');
    await put('/both/other', '1', '2');
    await put('/both/lost', '1', null);
    await put('/both/extra', null, '1');
    await put('/gone/deep/file', '1', null);
    await put('/kind', '1', null);
    await put('/kind/file', null, '1');
  });
  after(() => processes.stopAll());

  const compare = async (more: Partial<CompareOptions> = {}): Promise<{ lines: string[]; found: Difference[]; summary: CompareSummary }> => {
    const side = (filer: FilerProcess | undefined, path: string) => ({ tree: new TreeClient(processes.http, filer?.address ?? ''), path: parsePath(path) });
    const options = { isActivePassive: false, withAttributes: false, changedBeforeMs: Infinity, digests: null, signal: new AbortController().signal };
    const all: (Difference | CompareSummary)[] = [];
    for await (const one of compareTrees({ a: side(a, '/top'), b: side(b, '/'), ...options, ...more })) all.push(one);
    const found = all.filter((one) => one.type !== 'SUMMARY');
    return { found, lines: found.map((one) => differenceLine(one).replace(/ (EQUAL|[AB]_NEWER)$/, '')), summary: all.at(-1) as CompareSummary };
  };

  it('tells what differs by presence, kind, size and content, and sums it up', async () => {
    const { lines, summary } = await compare();
    expect(lines.sort()).to.deep.equal([
      '[ETAG_MISMATCH] /top/both/other',
      '[MISSING] /top/both/lost',
      '[MISSING] /top/gone/',
      '[MISSING] /top/kind',
      '[ONLY_IN_B] /top/both/extra',
      '[ONLY_IN_B] /top/kind/',
      '[SIZE_MISMATCH] /top/both/longer a=1 b=2',
    ]);
    expect(summary).to.deep.equal({
      type: 'SUMMARY',
      directories: 2,
      files: 6,
      skippedRecent: 0,
      missing: 3,
      sizeMismatch: 1,
      etagMismatch: 1,
      attributeMismatch: 0,
      chunkReorder: 0,
      onlyInB: 2,
      totalErrors: 7,
    });
  });

  it('takes what only b has for no difference if b is passive', async () => {
    expect((await compare({ isActivePassive: true })).summary).to.include({ onlyInB: 0, totalErrors: 5 });
  });

  it('leaves out what was changed lately', async () => {
    const { summary, lines } = await compare({ changedBeforeMs: 0 });
    expect([summary.skippedRecent, lines.sort()]).to.deep.equal([6, ['[MISSING] /top/gone/']]);
  });

  it('finds no difference between a tree and itself, attributes too', async () => {
    const same = { tree: new TreeClient(processes.http, a?.address ?? ''), path: parsePath('/top') };
    expect((await compare({ a: same, b: same, withAttributes: true })).found).to.deep.equal([]);
  });

  it('compares attributes if it is told to', async () => {
    const { address } = a as FilerProcess;
    await processes.send(a as FilerProcess, 'PUT', '/left/file', '1');
    await processes.send(a as FilerProcess, 'PUT', '/right/file?mode=0600', '1');
    const at = (path: string) => ({ tree: new TreeClient(processes.http, address), path: parsePath(path) });
    const sides = { a: at('/left'), b: at('/right') };
    expect((await compare(sides)).found).to.deep.equal([]);
    const { found } = await compare({ ...sides, withAttributes: true });
    expect(found.map(({ type }) => type)).to.deep.equal(['ATTRIBUTE_MISMATCH']);
    expect(found[0]?.attributes).to.include('Mode');
  });
});
