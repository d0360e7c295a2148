import { expect } from 'chai';
import fc from 'fast-check';
import { isFailure } from '../../src/core/errors.js';
import { joinPath, root, type FullPath } from '../../src/core/entry/path.js';
import { file, mode, pull, rowsIn, type OpenLog } from './open-log.js';

/* Random work on a few paths by a few filers, and what must hold after it. */

const names = ['a', 'b', 'ü'];
const paths: FullPath[] = [];
for (const one of names) {
  const top = joinPath(root, one);
  paths.push(top);
  for (const two of names) {
    paths.push(joinPath(top, two));
    if (two !== 'ü') paths.push(joinPath(joinPath(top, two), one));
  }
}

/** One step of filer `at`: a write, or taking over what filer `from` has. */
export interface Step {
  readonly at: number;
  readonly from: number;
  readonly kind: 'put' | 'mkdir' | 'remove' | 'removeAll' | 'move' | 'pull';
  readonly path: FullPath;
  readonly to: FullPath;
  readonly text: string;
}

export const anyStep = (filers: number): fc.Arbitrary<Step> =>
  fc.record({
    at: fc.nat({ max: filers - 1 }),
    from: fc.nat({ max: filers - 1 }),
    kind: fc.constantFrom('put', 'put', 'put', 'mkdir', 'remove', 'removeAll', 'move', 'pull', 'pull'),
    path: fc.constantFrom(...paths),
    to: fc.constantFrom(...paths),
    text: fc.constantFrom('x', 'y', ''),
  });

export const anyHistory = (filers: number, maxLength = 25): fc.Arbitrary<Step[]> => fc.array(anyStep(filers), { maxLength });

/** Takes a step; requests that the tree refuses change nothing. */
export async function take(step: Step, filers: readonly OpenLog[]): Promise<void> {
  const at = filers[step.at];
  const { path, to, kind, text } = step;
  try {
    if (kind === 'pull') {
      if (step.from !== step.at) await pull(filers[step.from], at);
    } else if (kind === 'put') await at.tree.put(path, file(text), mode);
    else if (kind === 'mkdir') await at.tree.mkdir(path, 0o755);
    else if (kind === 'move') await at.tree.move(path, to);
    else await at.tree.remove(path, kind === 'removeAll');
  } catch (error) {
    if (!isFailure(error)) throw error;
  }
}

export async function run(history: readonly Step[], filers: readonly OpenLog[]): Promise<void> {
  for (const step of history) {
    await take(step, filers);
    // Clocks that differ, and run at their own pace.
    filers[step.at].time.step(1 + (step.text.length + step.path.length) * 7);
  }
}

/** What is kept beside the rows must be what follows from them, in memory and in the store. */
export async function expectConsistent(filer: OpenLog): Promise<void> {
  const { log, store, disk } = filer;
  const [counted, kept] = [await store.recount(), await store.load()];
  expect(kept.buckets, 'buckets in the store').to.deep.equal(counted.buckets);
  expect(log.state.buckets, 'buckets in memory').to.deep.equal(counted.buckets);
  expect(log.state.counts, 'counts in memory').to.deep.equal(counted.counts);
  if (kept.meta.has('counts')) expect(JSON.parse(kept.meta.get('counts') as string), 'counts in the store').to.deep.equal(counted.counts);
  expect(new Map(disk.content.children.counts), 'children').to.deep.equal(counted.children);
  expect(new Map(kept.origins.map((origin) => [origin.origin, origin])), 'origins').to.deep.equal(new Map(log.state.origins));
  expect([...log.state.quarantine.values()], 'quarantine').to.deep.equal(kept.quarantine);
  expect([log.state.head, log.state.first], 'log').to.deep.equal([kept.head, kept.first]);
}

/** Two filers that have seen the same changes hold the same rows, dots and vectors included. */
export async function expectSame(a: OpenLog, b: OpenLog): Promise<void> {
  expect(await rowsIn(b.store)).to.deep.equal(await rowsIn(a.store));
  expect(b.log.digest).to.equal(a.log.digest);
}
