import { expect } from 'chai';
import { endure } from '../endurance/endure.js';

describe('Filers that are killed one after the other under many writes', function () {
  this.timeout(240_000);

  it('lose nothing they acknowledged, and end up equal', async () => {
    const lines: string[] = [];
    const seed = Date.now() % 1_000_000;
    const { acknowledged, kills, filers } = await endure({ writes: 6000, kills: 6, writers: 96, seed, say: (line) => lines.push(line) }).catch(
      (error: Error) => {
        error.message = [...lines, error.message].join('\n');
        throw error;
      },
    );
    expect(acknowledged).to.be.at.least(6000);
    expect(kills).to.be.at.least(6);
    expect(filers).to.have.length(3);
    expect(filers[0].entries).to.be.above(1000);
  });
});
