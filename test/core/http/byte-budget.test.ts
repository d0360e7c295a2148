import { expect } from 'chai';
import { ByteBudget } from '../../../src/core/http/byte-budget.js';

describe('ByteBudget', () => {
  let now = 0;
  let dropped: string[] = [];
  const open = (bytesMax: number) => new ByteBudget(bytesMax, 100, { monotonic: () => now });
  const holding = (budget: ByteBudget, name: string) => budget.open(() => dropped.push(name));

  beforeEach(() => {
    now = 0;
    dropped = [];
  });

  it('gives what there is, and takes it back', () => {
    const budget = open(10);
    const [a, b] = [holding(budget, 'a'), holding(budget, 'b')];
    expect([a.take(6), b.take(4), b.take(1), budget.used]).to.deep.equal([true, true, false, 10]);
    a.giveBack(2);
    expect([b.take(2), budget.used]).to.deep.equal([true, 10]);
    a.close();
    a.close();
    expect(budget.used).to.equal(6);
  });

  it('keeps a share for those who may take all of it', () => {
    const budget = open(10);
    const [a, b] = [holding(budget, 'a'), holding(budget, 'b')];
    expect([a.take(6, 6), a.take(1, 6), b.take(4)]).to.deep.equal([true, false, true]);
  });

  it('lets nobody make room within the grace, and then the one that began first', () => {
    const budget = open(10);
    const a = holding(budget, 'a');
    a.take(5);
    now = 50;
    const b = holding(budget, 'b');
    b.take(5);
    const c = holding(budget, 'c');
    now = 100;
    expect([c.take(5), dropped]).to.deep.equal([false, []]);
    now = 101;
    expect([c.take(5), dropped, budget.used]).to.deep.equal([true, ['a'], 10]);
    expect(a.take(1), 'one that had to make room takes nothing any more').to.equal(false);
    now = 151;
    expect([c.take(2), dropped, budget.used]).to.deep.equal([true, ['a', 'b'], 7]);
  });

  it('drops neither the one that asks nor one that is kept, nor anybody for what can never fit', () => {
    const budget = open(10);
    const a = holding(budget, 'a');
    const b = holding(budget, 'b');
    a.take(5);
    b.take(5);
    b.keep();
    now = 1000;
    expect([a.take(1), dropped]).to.deep.equal([false, []]);
    const c = holding(budget, 'c');
    expect([c.take(11), dropped, budget.used]).to.deep.equal([false, [], 10]);
  });
});
