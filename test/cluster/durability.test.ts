import { expect } from 'chai';
import { startCluster, type Cluster } from '../support/cluster.js';

describe('A filer that is killed in the middle of 64 parallel writes', function () {
  this.timeout(240_000);
  const rounds = 10;
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 1 });
  });

  after(() => cluster?.close());

  it(`has every write it acknowledged, ${rounds} times`, async () => {
    const [filer] = cluster.filers;
    const acknowledged = new Map<string, string>();
    for (let round = 0; round < rounds; round += 1) {
      // At another moment each time, some of them before anything is durable.
      const killAfter = round * 17;
      let answered = 0;
      const killing: Promise<unknown>[] = [];
      const write = async (writer: number): Promise<void> => {
        for (let number = 0; killing.length === 0; number += 1) {
          const path = `/round-${round}/${writer % 8}/${writer}-${number}`;
          const content = `${path} `.repeat(5);
          try {
            await filer.put(path, content);
          } catch (error) {
            if (killing.length > 0) return;
            throw error;
          }
          acknowledged.set(path, content);
          answered += 1;
          if (answered >= killAfter && killing.length === 0) killing.push(filer.kill());
        }
      };
      await Promise.all(Array.from({ length: 64 }, (_, writer) => write(writer)));
      await Promise.all(killing);
      await filer.start();
      const { recomputed, digest } = await filer.json<{ digest: string; recomputed: { digest: string } }>('/.filer/v1/digest?recompute=true');
      expect(recomputed.digest, 'what the rows add up to').to.equal(digest);
    }
    expect(acknowledged.size).to.be.above(rounds * 50);
    const contents = await Promise.all([...acknowledged.keys()].map((path) => filer.get(path)));
    expect(contents).to.deep.equal([...acknowledged.values()]);
  });
});
