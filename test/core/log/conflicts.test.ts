import { expect } from 'chai';
import fc from 'fast-check';
import { areConcurrent, compareStates, type Row } from '../../../src/core/change/row.js';
import type { Vector } from '../../../src/core/clock/vector.js';
import { childOfDeleted, deletedAboveLive, leftAside, overruled } from '../../../src/core/log/conflicts.js';
import { anyRow } from '../../support/arbitrary.js';
import { p } from '../../support/open-log.js';

const [a, b] = ['1111111111111111', '2222222222222222'];

type Kind = 'file' | 'directory' | 'deleted';
const row = (kind: Kind, author: string, version: number, vector: Vector = { [author]: version }, path = '/d/f'): Row => ({
  path: p(path),
  entry: kind === 'deleted' ? null : `{"isDirectory":${kind === 'directory'}}`,
  isDirectory: kind === 'directory',
  version,
  author,
  vector,
  dot: { origin: author, seq: version },
  contentHash: kind === 'deleted' ? '' : kind,
  h: 0,
});

describe('overruled', () => {
  const types: [local: Kind, incoming: Kind, isRename: boolean, type: string | null][] = [
    ['file', 'file', false, 'update/update'],
    ['file', 'deleted', false, 'update/delete'],
    ['deleted', 'file', false, 'update/delete'],
    ['directory', 'deleted', false, 'update/delete'],
    ['file', 'directory', false, 'file/directory'],
    ['directory', 'file', false, 'file/directory'],
    ['directory', 'directory', false, null],
    ['deleted', 'deleted', false, null],
    ['deleted', 'deleted', true, 'rename/rename'],
    ['file', 'file', true, 'update/update'],
    ['file', 'deleted', true, 'update/delete'],
  ];
  for (const [local, incoming, isRename, type] of types) {
    it(`is ${type ?? 'nothing'} when ${isRename ? 'the rename of ' : ''}a ${incoming} meets a ${local} that has not seen it`, () => {
      for (const [localVersion, incomingVersion] of [
        [1, 2],
        [2, 1],
      ]) {
        const [mine, theirs] = [row(local, a, localVersion), row(incoming, b, incomingVersion)];
        const conflict = overruled(mine, theirs, isRename, 99, 'cccccccccccccccc');
        const [winner, loser] = incomingVersion > localVersion ? [theirs, mine] : [mine, theirs];
        expect(conflict).to.deep.equal(
          type && {
            path: '/d/f',
            type,
            winner: { dot: winner.dot, version: 2, author: winner.author, deleted: winner.entry === null },
            loser,
            seenAt: 99,
            seenBy: 'cccccccccccccccc',
          },
        );
      }
    });
  }

  it('is nothing where nothing was, and where one has seen the other', () => {
    expect(overruled(null, row('file', b, 2), false, 1, a)).to.equal(null);
    expect(overruled(row('file', a, 1), row('file', b, 2, { [a]: 1, [b]: 2 }), false, 1, a)).to.equal(null);
    expect(overruled(row('file', a, 2, { [a]: 2, [b]: 1 }), row('file', b, 1), false, 1, a)).to.equal(null);
  });

  it('names the same winner and loser whichever comes first', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (x, y) => {
        const [first, second] = [overruled(x, y, false, 1, a), overruled(y, x, false, 1, a)];
        expect(first).to.deep.equal(second);
        if (first) {
          expect(areConcurrent(x, y)).to.equal(true);
          expect(first.loser).to.equal(compareStates(x, y) < 0 ? x : y);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('leftAside', () => {
  const [older, newer] = [row('file', a, 5), row('deleted', b, 9)];

  it('names what a rejoin left aside, be it the greater, and the change that stands instead', () => {
    const written = row('file', a, 12, { [a]: 12, [b]: 9 });
    expect(leftAside(older, newer, written, 77, a)).to.include({ type: 'update/delete', loser: newer, seenAt: 77, seenBy: a });
    expect(leftAside(older, newer, written, 77, a)?.winner).to.deep.equal({ dot: written.dot, version: 12, author: a, deleted: false });
    expect(leftAside(newer, older, newer, 77, a)).to.include({ loser: older });
  });

  it('is nothing where one has seen the other, and for two directories or two deletions', () => {
    expect(leftAside(row('file', b, 9, { [a]: 5, [b]: 9 }), older, newer, 77, a)).to.equal(null);
    expect(leftAside(row('directory', b, 9), row('directory', a, 5), newer, 77, a)).to.equal(null);
    expect(leftAside(row('deleted', b, 9), row('deleted', a, 5), newer, 77, a)).to.equal(null);
  });
});

describe('childOfDeleted', () => {
  const child = row('file', a, 5, { [a]: 5 }, '/d/e/f');
  const below = (...above: Row[]) => childOfDeleted(child, (path) => above.find((one) => one.path === path) ?? null, 7, b);

  it('is noted for a live row below a deletion that has not seen it', () => {
    const gone = row('deleted', b, 9, { [b]: 9 }, '/d');
    expect(below(gone)).to.deep.include({
      path: '/d/e/f',
      type: 'child-of-deleted',
      loser: gone,
      winner: { dot: child.dot, version: 5, author: a, deleted: false },
    });
    expect(below(row('deleted', b, 9, { [b]: 9, [a]: 4 }, '/d'))).to.not.equal(null);
  });

  it('names the nearest of several, over one that has seen it', () => {
    const [far, near] = [row('deleted', b, 9, { [b]: 9 }, '/d'), row('deleted', b, 9, { [b]: 9 }, '/d/e')];
    expect(below(far, near)?.loser).to.equal(near);
    expect(below(far, row('deleted', b, 9, { [b]: 9, [a]: 5 }, '/d/e'))?.loser).to.equal(far);
  });

  it('is nothing below directories, below nothing, and below a deletion that has seen it', () => {
    expect(below(row('directory', b, 9, { [b]: 9 }, '/d'))).to.equal(null);
    expect(below()).to.equal(null);
    expect(below(row('deleted', b, 9, { [b]: 9, [a]: 5 }, '/d'))).to.equal(null);
  });
});

describe('deletedAboveLive', () => {
  it('is noted with what was deleted, if something was', () => {
    const [gone, before] = [row('deleted', b, 9), row('directory', a, 1)];
    expect(deletedAboveLive(gone, before, 7, b)).to.deep.include({ path: '/d/f', type: 'child-of-deleted', loser: before });
    expect(deletedAboveLive(gone, row('deleted', a, 1), 7, b)).to.equal(null);
    expect(deletedAboveLive(gone, null, 7, b)).to.equal(null);
  });
});
