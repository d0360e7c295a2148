import { expect } from 'chai';
import { unionOf, waitingFor, type Goal, type Seen } from '../../../src/core/replication/goal.js';
import type { FilerInfo } from '../../../src/core/replication/peer.js';
import { hexId } from '../../support/announcements.js';

const [a, b] = [hexId('a'), hexId('b')];
const at = (text: Record<string, number>) => new Map(Object.entries(text));

function seen(address: string, position: Record<string, number> | null, more: Partial<FilerInfo> = {}, reasons: string[] = []): Seen {
  if (position === null) return { address, info: null, reasons, error: `cannot reach ${address}` };
  const info = { position: at(position), digest: 'd', damage: null, quarantined: [], state: 'ready', lineage: a, ...more } as unknown as FilerInfo;
  return { address, info, reasons, error: null };
}

const synced: Goal = { kind: 'synced' };
const whoWaits = (goal: Goal, all: Seen[], start = unionOf(all)) => waitingFor(goal, all, start).map(({ filer, why }) => `${filer}: ${why}`);

describe('waiting for filers', () => {
  describe('to be synced', () => {
    it('ends when all were seen at one position with one digest; origins at 0 do not count', () => {
      expect(whoWaits(synced, [seen('x', { [a]: 3 }), seen('y', { [a]: 3, [b]: 0 })])).to.deep.equal([]);
      expect(whoWaits(synced, [seen('x', { [a]: 3 })])).to.deep.equal([]);
    });

    it('names who lacks what any had at the start', () => {
      expect(whoWaits(synced, [seen('x', { [a]: 5, [b]: 1 }), seen('y', { [a]: 3, [b]: 2 })])).to.deep.equal([
        `x: lacks 1 changes, up to ${b}:2`,
        `y: lacks 2 changes, up to ${a}:5`,
      ]);
    });

    it('ends under writes that go on when all have what any had at the start', () => {
      const start = at({ [a]: 5, [b]: 2 });
      expect(whoWaits(synced, [seen('x', { [a]: 9, [b]: 2 }), seen('y', { [a]: 5, [b]: 8 })], start)).to.deep.equal([]);
      expect(whoWaits(synced, [seen('x', { [a]: 9, [b]: 2 }), seen('y', { [a]: 4, [b]: 8 })], start)).to.have.length(1);
    });

    it('does not end while trees differ at one position, while changes are in quarantine, or while a store is damaged', () => {
      expect(whoWaits(synced, [seen('x', { [a]: 3 }), seen('y', { [a]: 3 }, { digest: 'e' })])).to.deep.equal(['y: holds another tree than x at one position']);
      expect(whoWaits(synced, [seen('x', { [a]: 3 }), seen('y', { [a]: 3 }, { quarantined: [`${a}:2`] })])).to.deep.equal(['y: 1 changes are in quarantine']);
      expect(whoWaits(synced, [seen('x', { [a]: 3 }, { damage: 'broken' }), seen('y', { [a]: 3 })])).to.deep.equal(['x: broken']);
    });

    it('does not end while one of two lineages still has to join the other', () => {
      expect(whoWaits(synced, [seen('x', { [a]: 3 }), seen('y', { [a]: 3 }, { lineage: b })])).to.deep.equal([
        'y: it and x have met only now, and one joins the other',
      ]);
    });

    it('waits for one that does not answer or is not ready', () => {
      const all = [seen('x', { [a]: 3 }), seen('y', null), seen('z', { [a]: 3 }, { state: 'bootstrapping' })];
      expect(whoWaits(synced, all)).to.deep.equal(['y: cannot reach y', 'z: it is bootstrapping']);
      expect(unionOf(all)).to.equal(null);
    });
  });

  it('to be ready takes their own word', () => {
    const all = [seen('x', { [a]: 3 }), seen('y', {}, {}, ['3 s behind x', 'y is damaged']), seen('z', null)];
    expect(whoWaits({ kind: 'ready' }, all)).to.deep.equal(['y: 3 s behind x; y is damaged', 'z: cannot reach z']);
  });

  it('to reach a position asks each for all of it', () => {
    const goal: Goal = { kind: 'position', position: at({ [a]: 3, [b]: 1 }) };
    expect(whoWaits(goal, [seen('x', { [a]: 4, [b]: 1 }), seen('y', { [a]: 3 })])).to.deep.equal([`y: lacks 1 changes, up to ${b}:1`]);
  });
});
