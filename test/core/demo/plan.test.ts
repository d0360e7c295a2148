import { expect } from 'chai';
import fc from 'fast-check';
import { planChanges } from '../../../src/core/demo/plan.js';
import { isWithin, parsePath } from '../../../src/core/entry/path.js';

const paths = (...texts: string[]) => texts.map(parsePath);

describe('the plan of the demo', () => {
  it('renames the greatest directory, deletes the next one, and takes turns with the other files', () => {
    const directories = paths('/t/a', '/t/a/deep', '/t/b', '/t/empty');
    const files = paths('/t/a/1', '/t/a/deep/2', '/t/b/3', '/t/4', '/t/5', '/t/6');
    expect(planChanges(directories, files)).to.deep.equal({
      renamed: { path: '/t/a', entries: 4 },
      removed: { path: '/t/b', entries: 2 },
      overwritten: ['/t/4', '/t/6'],
      deleted: ['/t/5'],
    });
  });

  it('leaves out what a tree does not have', () => {
    expect(planChanges([], [])).to.deep.equal({ renamed: null, removed: null, overwritten: [], deleted: [] });
    expect(planChanges([], paths('/t/1'))).to.deep.equal({ renamed: null, removed: null, overwritten: ['/t/1'], deleted: [] });
    expect(planChanges(paths('/t/a'), paths('/t/a/1'))).to.deep.include({ renamed: null, overwritten: ['/t/a/1'] });
  });

  it('never names one path in two parts, whatever the tree', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    fc.assert(
      fc.property(fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))), (texts) => {
        const all = new Set(texts.flatMap((text) => text.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'))));
        const isDirectory = (text: string) => [...all].some((other) => other.startsWith(`${text}/`));
        const split = (wanted: boolean) => [...all].filter((text) => isDirectory(text) === wanted).map((text) => parsePath(`/t/${text}`));
        const { renamed, removed, overwritten, deleted } = planChanges(split(true), split(false));
        const tops = [renamed, removed].flatMap((subtree) => (subtree ? [subtree.path] : []));
        const changed = [...overwritten, ...deleted];
        expect(new Set(changed).size).to.equal(changed.length);
        for (const path of changed) expect(tops.some((top) => isWithin(path, top))).to.equal(false);
        if (renamed && removed) expect(isWithin(renamed.path, removed.path) || isWithin(removed.path, renamed.path)).to.equal(false);
      }),
    );
  });
});
