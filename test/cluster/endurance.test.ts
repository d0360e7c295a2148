import { expect } from 'chai';
import { endure } from '../endurance/endure.js';
import { verifyStore } from '../endurance/verify.js';
import type { Acknowledged } from '../endurance/writers.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';

describe('Filers that are killed one after the other under many writes', function () {
  this.timeout(240_000);

  it('lose nothing they acknowledged, and end up equal', async () => {
    const lines: string[] = [];
    const seed = Date.now() % 1_000_000;
    const { acknowledged, deletes, kills, filers } = await endure({ writes: 6000, kills: 6, writers: 96, seed, say: (line) => lines.push(line) }).catch(
      (error: Error) => {
        error.message = [...lines, error.message].join('\n');
        throw error;
      },
    );
    expect(acknowledged).to.be.at.least(6000);
    expect(deletes, 'acknowledged deletes, each of something').to.be.at.least(50);
    expect(kills).to.be.at.least(6);
    expect(filers).to.have.length(3);
    expect(filers[0].entries).to.be.above(1000);
  });
});

// That the test above can fail: each way in which a store may not be what its filer has acknowledged.
describe('A store that is compared with what its filer has acknowledged', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let filer: ClusterFiler;
  const acknowledged = new Map<string, Acknowledged>();
  const [dots, put] = [{ first: '', over: '', other: '', deleted: '' }, (path: string, text: string): Acknowledged => ({ path, content: () => text })];
  const deleted = (path: string): Acknowledged => ({ path, content: null });

  before(async () => {
    cluster = await startCluster({ filers: 1 });
    [filer] = cluster.filers as [ClusterFiler];
    dots.first = await filer.put('/a', 'one');
    dots.over = await filer.put('/a', 'two');
    dots.other = await filer.put('/b', 'three');
    dots.deleted = await filer.remove('/a');
    acknowledged.set(dots.first, put('/a', 'one')).set(dots.over, put('/a', 'two')).set(dots.other, put('/b', 'three')).set(dots.deleted, deleted('/a'));
    await filer.stop();
  });
  after(() => cluster?.close());

  const problems = async (but: Partial<Record<keyof typeof dots, Acknowledged>>, more: [dot: string, write: Acknowledged][] = []): Promise<string> => {
    const told = new Map([...acknowledged, ...Object.entries(but).map(([name, write]) => [dots[name as keyof typeof dots], write] as const), ...more]);
    return verifyStore(filer.directory, told).then(
      () => '',
      (error: Error) => error.message,
    );
  };
  const isNot = (dot: string, path: string) => `${dot} is not the acknowledged write of ${path}`;

  it('has no problem if all of it is there', async () => {
    expect(await problems({})).to.equal('');
  });

  it('shows a delete whose change deletes nothing, or something else', async () => {
    expect(await problems({ first: deleted('/a') }), 'it creates').to.include(isNot(dots.first, '/a'));
    expect(await problems({ over: deleted('/a') }), 'it writes over').to.include(isNot(dots.over, '/a'));
    expect(await problems({ other: deleted('/a') }), 'it writes elsewhere').to.include(isNot(dots.other, '/a'));
    expect(await problems({ deleted: deleted('/b') }), 'it deletes elsewhere').to.include(isNot(dots.deleted, '/b'));
  });

  it('shows a put of other content, at another path, or that is a delete', async () => {
    expect(await problems({ over: put('/a', 'one') })).to.include(isNot(dots.over, '/a'));
    expect(await problems({ other: put('/a', 'three') })).to.include(isNot(dots.other, '/a'));
    expect(await problems({ deleted: put('/a', '') })).to.include(isNot(dots.deleted, '/a'));
  });

  it('shows a write that is not there at all', async () => {
    const beyond = `${dots.deleted.split(':')[0]}:99`;
    expect(await problems({}, [[beyond, deleted('/gone')]])).to.include(`LOST: ${beyond}, acknowledged for /gone`);
  });
});
