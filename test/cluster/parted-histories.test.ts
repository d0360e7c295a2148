import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { canonicalJson } from '../../src/core/change/canonical.js';
import { contentHash } from '../../src/core/change/digest.js';
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

/** What a filer has said of branches that it gave up, since the start of its process or the last look. */
class Parting {
  #seen: number;

  constructor(
    readonly filer: ClusterFiler,
    private readonly others: readonly ClusterFiler[],
  ) {
    this.#seen = filer.started.output.stderr.length;
  }

  /** Of a process that starts anew all of its log counts. */
  restarted(): void {
    this.#seen = 0;
  }

  /** Where the logs parted, by each branch given up; the line must name a filer of the cluster, the origin, the place and the cause. */
  given(): { origin: string; after: number; rows: number }[] {
    const line =
      /this store and (\S+) have other changes under origin ([0-9a-f]{16}) after (\d+), as after a store was put back in place: gives up its own, follows the others', then writes (\d+) entries again/g;
    return [...this.#text().matchAll(line)].map(([, address = '', origin = '', after, rows]) => {
      expect(this.others.map((other) => other.address)).to.include(address);
      return { origin, after: Number(after), rows: Number(rows) };
    });
  }

  /** How many entries were written again, each time that was done. */
  written(): number[] {
    const line = /level with the others: (\d+) entries of the branch that was given up still stood and are written again/g;
    return [...this.#text().matchAll(line)].map(([, count]) => Number(count));
  }

  #text(): string {
    return this.filer.started.output.stderr.slice(this.#seen);
  }
}

interface Change {
  readonly directory: string;
  readonly eventNotification: { readonly newEntry?: { readonly name: string } & Record<string, unknown> };
  readonly replication: { readonly origin: string; readonly seq: number; readonly version: number };
}

const pathOf = ({ directory, eventNotification }: Change): string => `${directory === '/' ? '' : directory}/${eventNotification.newEntry?.name}`;

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

  const originsOf = (filers: readonly ClusterFiler[]) => Promise.all(filers.map(async (filer) => (await filer.store()).origin));
  const hashAt = async (filer: ClusterFiler, origin: string, seq: number) =>
    (await filer.json<{ hashes: Record<string, string | null> }>(`/.filer/v1/hashes?position=${origin}:${seq}`)).hashes[origin] as string;
  const changesOf = (filer: ClusterFiler, position: string, origins?: string) =>
    filer.json<Change[]>(`/.filer/v1/changes?position=${position}&limit=10000${origins === undefined ? '' : `&origins=${origins}`}`);
  const watch = () =>
    cluster.filers.map(
      (filer) =>
        new Parting(
          filer,
          cluster.filers.filter((other) => other !== filer),
        ),
    );

  /**
   * Two branches under the origin of the owner: the first is at the one ahead, the second, written after the store was put back, at the owner
   * and the one behind. `isMeant` looks at the hash with which each begins: of two filers that are not the owner the one with the smaller
   * hash gives up. The second branch is written anew until it is as meant. In the end the one ahead is stopped.
   */
  async function part(write: (branch: string) => Promise<void>, isMeant: (first: string, second: string) => boolean) {
    const { origin } = await owner.store();
    await owner.stop();
    const saved = await Saved.of(owner);
    await owner.start();
    const common = (await owner.store()).position[origin] as number;
    await behind.stop();
    await write('first');
    await cluster.converged([ahead, owner]);
    const first = await changesOf(ahead, `${origin}:${common}`, origin);
    const [hash, end] = [await hashAt(ahead, origin, common + 1), await hashAt(ahead, origin, common + first.length)];
    await ahead.stop();
    for (let attempt = 1; ; attempt += 1) {
      await owner.stop();
      await saved.putBack();
      // From the same place and under the same origin: nothing has shown it.
      await owner.start();
      expect(await owner.store()).to.deep.include({ origin });
      await write(attempt === 1 ? 'second' : `second${attempt}`);
      if (isMeant(hash, await hashAt(owner, origin, common + 1))) {
        await behind.start({ ready: false });
        await behind.ready(60_000);
        await cluster.converged([behind, owner]);
        const branch = attempt === 1 ? 'second' : `second${attempt}`;
        return { origin, common, first: { changes: first, end }, second: { branch, changes: await changesOf(behind, `${origin}:${common}`, origin) } };
      }
    }
  }

  /** Everybody has the one branch under the old origin, and what stood on the other under the origins of those who gave it up. */
  async function expectJoined(origin: string, end: { seq: number; hash: string }, rewritten: readonly string[], by: readonly string[]) {
    const tree = await expectSame(cluster, cluster.filers, 90_000);
    for (const filer of cluster.filers) {
      expect((await filer.store()).position[origin], `the log of ${origin} at ${filer.name}`).to.equal(end.seq);
      expect(await hashAt(filer, origin, end.seq)).to.equal(end.hash);
    }
    const again = (await changesOf(behind, '')).filter(({ replication }) => by.includes(replication.origin)).map(pathOf);
    expect(again).to.include.members([...rewritten]);
    for (const path of rewritten) expect(tree.has(path), `${path} is there`).to.equal(true);
    return tree;
  }

  it('gives up its branch to one that is not its owner, and so does who follows it and has the smaller hash: no write of either is lost', async () => {
    const before = await originsOf([ahead, behind]);
    const write = async (branch: string) => {
      for (let i = 0; i < 3; i++) await owner.put(`/${branch}/${i}`, `${branch} ${i}`);
      await owner.put('/contended', branch);
    };
    // With the greater hash at the one ahead it does not matter who meets whom first: the owner gives up because it is the owner, the one
    // behind because its hash is smaller. The other way round both ends would be legitimate for the owner: it keeps its origin if the one
    // ahead has given up to the one behind before they meet.
    const { origin, common, first, second } = await part(write, (hash, other) => hash > other);
    const [ofAhead, ofBehind, ofOwner] = watch() as [Parting, Parting, Parting];
    ofAhead.restarted();
    await ahead.start({ ready: false });
    for (const parting of [ofBehind, ofOwner]) await parting.filer.until('to give up its branch', () => parting.given().length > 0, 60_000);
    const { branch } = second;
    const rewritten = [`/${branch}`, ...[0, 1, 2].map((i) => `/${branch}/${i}`), '/contended'];
    await waitFor(async () => (await owner.store()).origin !== origin, { what: 'a new origin' });
    const by = await originsOf([behind, owner]);
    const tree = await expectJoined(origin, { seq: common + first.changes.length, hash: first.end }, rewritten, by);
    expect([ofAhead.given(), ofAhead.written()]).to.deep.equal([[], []]);
    const given = { origin, after: common, rows: rewritten.length };
    expect(ofOwner.given()).to.deep.equal([given]);
    // More than once if the owner, which it follows, has handed it on again before it gave it up itself.
    for (const each of ofBehind.given()) expect(each).to.deep.equal(given);
    // Each writes what still stands when its turn comes: what the other has written by then does not any more.
    const [atBehind, atOwner] = [ofBehind.written(), ofOwner.written()] as [number[], number[]];
    expect([atBehind.length, atOwner.length]).to.deep.equal([1, 1]);
    expect(atBehind[0] + atOwner[0]).to.be.within(rewritten.length, 2 * rewritten.length);
    expect(await originsOf([ahead, behind])).to.deep.equal(before);
    expect(by[1]).not.to.equal(origin);

    for (let i = 0; i < 3; i++) for (const kind of ['first', branch]) expect(await ahead.get(`/${kind}/${i}`)).to.equal(`${kind} ${i}`);
    expect(tree.has('/first'), 'a directory').to.equal(true);
    // Written later, and so the greater.
    for (const filer of cluster.filers) expect(await filer.get('/contended')).to.equal(branch);
    expect(await behind.get('/before')).to.equal('known to all');
    for (const filer of cluster.filers) {
      await filer.ready(30_000);
      await filer.put(`/after/${filer.name}`, 'works');
    }
    await expectSame(cluster, cluster.filers, 30_000);
  });

  it('notices at the first meeting that others have more of its own log than it has itself', async () => {
    const { origin } = await owner.store();
    const before = await originsOf([ahead, behind]);
    await owner.stop();
    const saved = await Saved.of(owner);
    await owner.start();
    const common = (await owner.store()).position[origin] as number;
    await owner.put('/lost and found', 'comes back from the others');
    await cluster.converged();
    const hash = await hashAt(ahead, origin, common + 1);
    await owner.stop();
    await saved.putBack();
    const [ofAhead, ofBehind, ofOwner] = watch() as [Parting, Parting, Parting];
    ofOwner.restarted();
    await owner.start({ ready: false });
    await owner.until('to give up what it would write next', () => ofOwner.given().length > 0, 60_000);
    await expectJoined(origin, { seq: common + 1, hash }, [], []);
    expect([ofAhead.given(), ofBehind.given()]).to.deep.equal([[], []]);
    expect(ofOwner.given(), 'it had written nothing on').to.deep.equal([{ origin, after: common, rows: 0 }]);
    expect(await owner.get('/lost and found')).to.equal('comes back from the others');
    expect((await owner.store()).origin).not.to.equal(origin);
    expect(await originsOf([ahead, behind])).to.deep.equal(before);
  });

  it('keeps its branch if the others settle it while it is away, the one with the smaller hash giving up, though every version stands on both', async () => {
    const { origin, time } = await owner.json<StoreJson & { time: number }>('/.filer/v1/store');
    // Its clock is half an hour ahead, and then right again: from now on each version is the last one plus one.
    await owner.expect(200, 'POST', `/.filer/v1/changes?after=${time + 1_800_000_000}`, { body: '[]' });
    await owner.put('/fast', 'known to all');
    await cluster.converged();
    const write = async (branch: string) => {
      await owner.put('/twice', branch);
      await owner.put(`/in ${branch}/file`, branch);
    };
    const { common, first, second } = await part(write, (hash, other) => hash < other);
    const versions = (changes: readonly Change[]) => changes.map(({ replication }) => replication.version);
    expect(first.changes).to.have.length(3);
    expect(versions(second.changes), 'versions repeat').to.deep.equal(versions(first.changes));
    const hash = await hashAt(behind, origin, common + 3);
    const before = await originsOf(cluster.filers.filter(({ running }) => running));
    await owner.stop();

    const [ofAhead, ofBehind, ofOwner] = watch() as [Parting, Parting, Parting];
    for (const parting of [ofAhead, ofOwner]) parting.restarted();
    await ahead.start({ ready: false });
    await ahead.until('to give up its branch', () => ofAhead.given().length > 0, 60_000);
    await cluster.converged([ahead, behind], 60_000);
    await owner.start({ ready: false });
    const rewritten = ['/in first', '/in first/file'];
    const tree = await expectJoined(origin, { seq: common + 3, hash }, rewritten, await originsOf([ahead]));
    expect([ofBehind.given(), ofOwner.given()]).to.deep.equal([[], []]);
    expect(ofAhead.given()).to.deep.equal([{ origin, after: common, rows: 3 }]);
    expect(await originsOf([behind, owner])).to.deep.equal(before);
    const { branch } = second;
    expect([...tree.keys()].filter((path) => path.startsWith('/in '))).to.have.members([...rewritten, `/in ${branch}`, `/in ${branch}/file`]);
    for (const [path, content] of [
      ['/in first/file', 'first'],
      [`/in ${branch}/file`, branch],
    ] as const)
      for (const filer of cluster.filers) expect(await filer.get(path)).to.equal(content);
    // At one version and author the greater content hash stands, as everywhere.
    const contentHashOf = (changes: readonly Change[]) => contentHash(canonicalJson(changes[0]?.eventNotification.newEntry));
    const stands = contentHashOf(first.changes) > contentHashOf(second.changes) ? 'first' : branch;
    for (const filer of cluster.filers) expect(await filer.get('/twice')).to.equal(stands);
    expect(ofAhead.written()).to.deep.equal([stands === 'first' ? 3 : 2]);
  });
});
