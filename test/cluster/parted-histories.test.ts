import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler, type StoreJson } from '../support/cluster.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** What a store's folder holds while nobody has it open, so that it can be put back into the very same files: nothing shows it. */
class Saved {
  private constructor(
    private readonly directory: string,
    private readonly files: ReadonlyMap<string, Buffer>,
  ) {}

  static async of({ directory }: ClusterFiler): Promise<Saved> {
    const files = new Map<string, Buffer>();
    for (const name of ['filer.db', 'filer.word']) files.set(name, await readFile(join(directory, name)));
    return new Saved(directory, files);
  }

  async putBack(): Promise<void> {
    const database = await open(join(this.directory, 'filer.db'), 'r+');
    const content = this.files.get('filer.db') as Buffer;
    await database.truncate(content.length);
    await database.write(content, 0, content.length, 0);
    await database.close();
    await writeFile(join(this.directory, 'filer.word'), this.files.get('filer.word') as Buffer);
  }
}

const givesUp = 'gives up its own, follows';
const hasGivenUp = (filer: ClusterFiler): boolean => filer.started.output.stderr.includes(givesUp);

interface Change {
  readonly replication: { readonly version: number };
}

describe('A store that was put back in place, so that nothing shows it', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let [ahead, behind, owner]: ClusterFiler[] = [];

  before(async () => {
    // So that a clock may be fast by minutes and is believed.
    cluster = await startCluster({ filers: 3, filerArgs: ['--maxClockSkew=1h'] });
    [ahead, behind, owner] = cluster.filers;
    await owner.put('/before', 'known to all');
    await cluster.converged();
  });

  after(() => cluster?.close());

  it('gives up its branch when it has written on: no write of either branch is lost, and all are equal', async () => {
    const { origin } = await owner.store();
    await owner.stop();
    const saved = await Saved.of(owner);
    await owner.start();
    await behind.stop();
    for (let i = 0; i < 5; i++) await owner.put(`/first/${i}`, `first ${i}`);
    await owner.put('/contended', 'first');
    await cluster.converged([ahead, owner]);
    await ahead.stop();
    await owner.stop();
    await saved.putBack();

    // Writes on under the same origin, from the same place, and meets first the one that has nothing of what was lost.
    await owner.start({ ready: false });
    await behind.start({ ready: false });
    await Promise.all([owner.ready(60_000), behind.ready(60_000)]);
    expect((await owner.store()).origin, 'nothing has shown it').to.equal(origin);
    for (let i = 0; i < 3; i++) await owner.put(`/second/${i}`, `second ${i}`);
    await owner.put('/contended', 'second');
    await cluster.converged([behind, owner]);

    await ahead.start({ ready: false });
    const all = [ahead, behind, owner];
    // Who of them meet first decides who gives up: the owner always does, but the other two may have settled it before it meets the one ahead.
    await waitFor(() => all.some((filer) => hasGivenUp(filer)), { what: 'one of them to give up its branch', timeoutMs: 90_000 });
    const isOwners = hasGivenUp(owner);
    const tree = await expectSame(cluster, [ahead, behind, owner], 90_000);
    const paths = [...tree.keys()].filter((path) => path.includes('t/') || path.includes('d/'));
    expect(paths).to.have.members([...[0, 1, 2, 3, 4].map((i) => `/first/${i}`), ...[0, 1, 2].map((i) => `/second/${i}`)]);
    if (isOwners) expect((await owner.store()).origin).not.to.equal(origin);
    expect(await behind.get('/before')).to.equal('known to all');
    for (const filer of [ahead, behind, owner]) {
      await filer.ready(30_000);
      await filer.put(`/after/${filer.name}`, 'works');
    }
    await expectSame(cluster, [ahead, behind, owner], 30_000);
  });

  it('notices at the first meeting that others have more of its own log than it has itself', async () => {
    const { origin } = await owner.store();
    await owner.stop();
    const saved = await Saved.of(owner);
    await owner.start();
    await owner.put('/lost and found', 'comes back from the others');
    await cluster.converged();
    await owner.stop();
    await saved.putBack();
    await owner.start({ ready: false });
    await owner.started.waitForLine(/gives up its own/, 60_000);
    await expectSame(cluster, [ahead, behind, owner], 60_000);
    expect(await owner.get('/lost and found')).to.equal('comes back from the others');
    expect((await owner.store()).origin).not.to.equal(origin);
  });

  it('gives it up too when its clock was fast, and every version of the one branch stands in the other as well', async () => {
    const { origin, time } = await owner.json<StoreJson & { time: number }>('/.filer/v1/store');
    // Its clock is half an hour ahead, and then right again: from now on each version is the last one plus one.
    await owner.expect(200, 'POST', `/.filer/v1/changes?after=${time + 1_800_000_000}`, { body: '[]' });
    await owner.put('/fast', 'known to all');
    await cluster.converged();
    await owner.stop();
    const saved = await Saved.of(owner);
    await owner.start();
    await behind.stop();
    const from = (await owner.store()).position[origin] ?? 0;
    const write = async (branch: string) => {
      await owner.put('/twice', branch);
      await owner.put(`/in ${branch}/file`, branch);
    };
    const versionsAt = async (filer: ClusterFiler) =>
      (await filer.json<Change[]>(`/.filer/v1/changes?position=${origin}:${from}&origins=${origin}`)).map(({ replication }) => replication.version);
    await write('first');
    await cluster.converged([ahead, owner]);
    const first = await versionsAt(ahead);
    await ahead.stop();
    await owner.stop();
    await saved.putBack();

    await owner.start({ ready: false });
    await behind.start({ ready: false });
    await Promise.all([owner.ready(60_000), behind.ready(60_000)]);
    await write('second');
    await cluster.converged([behind, owner]);
    expect(first).to.have.length(3);
    expect(await versionsAt(behind), 'versions repeat').to.deep.equal(first);

    const logs = [ahead, behind, owner].map((filer) => filer.started.output.stderr.length);
    await ahead.start({ ready: false });
    await waitFor(() => [ahead, behind, owner].some((filer, i) => filer.started.output.stderr.slice(filer === ahead ? 0 : logs[i]).includes(givesUp)), {
      what: 'one of them to give up its branch',
      timeoutMs: 90_000,
    });
    const tree = await expectSame(cluster, [ahead, behind, owner], 90_000);
    expect([...tree.keys()].filter((path) => path.startsWith('/in '))).to.have.members(['/in first', '/in first/file', '/in second', '/in second/file']);
    const twice = await Promise.all([ahead, behind, owner].map((filer) => filer.get('/twice')));
    expect(new Set(twice).size, twice.join()).to.equal(1);
    expect(twice[0]).to.be.oneOf(['first', 'second']);
  });
});
