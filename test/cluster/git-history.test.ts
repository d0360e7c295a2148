import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { GitRepository, type GitChange } from '../support/git-repository.js';
import { leaveOut } from '../support/leave-out.js';
import { expectSame, treeOf } from '../support/trees.js';

describe('The history of a git repository, replayed over three filers in turn', function () {
  this.timeout(300_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 3 });
  });

  after(() => cluster?.close());

  it('ends as the last commit of this repository', async function () {
    const repository = await GitRepository.at(import.meta.dirname);
    const commits = repository === null ? 0 : (await repository.history()).length;
    if (repository === null || commits < 2) {
      // The generated one below is replayed in any case.
      leaveOut(this, repository === null ? 'no git repository here' : `a history of ${commits} commit`);
    }
    await replay(repository, '/own');
  });

  it('ends as the last commit of one with every kind of change', async () => {
    await replay(await GitRepository.generate(), '/generated');
  });

  async function replay(repository: GitRepository, top: string): Promise<void> {
    const { filers } = cluster;
    const history = await repository.history();
    const head = await repository.head();
    const blobs = await repository.blobs([
      ...history.flatMap(({ changes }) => changes.flatMap((change) => ('blob' in change ? change.blob : []))),
      ...head.values(),
    ]);
    const contentOf = (blob: string): Buffer => blobs.get(blob) as Buffer;
    let position = '';
    for (const [turn, { changes }] of history.entries()) {
      const filer = filers[turn % filers.length];
      if (turn === Math.floor(history.length / 2)) {
        await filer.kill();
        await filer.start();
      }
      if (position !== '') await filer.expect(200, 'GET', '/', { headers: { 'Filer-Min-Position': position } });
      position = (await commit(filer, changes, top, contentOf)) ?? position;
    }
    await expectSame(cluster, filers);
    for (const filer of filers) {
      const tree = await treeOf(filer, top);
      const files = [...tree].filter(([, kind]) => !/^2\d{10} /.test(kind)).map(([path]) => path.slice(top.length + 1));
      expect(files.sort(), `files of ${filer.name}`).to.deep.equal([...head.keys()].sort());
      for (const [path, blob] of head) {
        const { text } = await filer.expect(200, 'GET', `${top}/${path}`.split('/').map(encodeURIComponent).join('/'));
        expect(text === contentOf(blob).toString('utf8'), `${filer.name}: content of ${path}`).to.equal(true);
      }
    }
  }
});

/**
 * What a commit does, on one filer: the renames are moved aside first and then into place, because files may trade names in
 * one commit, and a name may be a file before it and a directory after it. Returns the position of the last write.
 */
async function commit(filer: ClusterFiler, changes: readonly GitChange[], top: string, contentOf: (blob: string) => Buffer): Promise<string | undefined> {
  let position: string | undefined;
  const aside = (index: number): string => `${top}.aside/${index}`;
  const emptied = new Set<string>();
  const leave = (path: string): void => {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) emptied.add(path.slice(0, at));
  };
  for (const [index, change] of changes.entries()) {
    if (change.kind === 'rename') position = await filer.move(`${top}/${change.from}`, aside(index));
    if (change.kind === 'delete') position = await filer.remove(`${top}/${change.path}`);
    if (change.kind !== 'write') leave(change.kind === 'rename' ? change.from : change.path);
  }
  // git has no empty directories.
  for (const directory of [...emptied].sort().reverse()) {
    const reply = await filer.request('DELETE', `${top}/${directory}`.split('/').map(encodeURIComponent).join('/'));
    expect(reply.status).to.be.oneOf([204, 409]);
  }
  for (const [index, change] of changes.entries()) {
    if (change.kind === 'rename') position = await filer.move(aside(index), `${top}/${change.path}`);
    if (change.kind !== 'delete') position = await filer.put(`${top}/${change.path}`, contentOf(change.blob));
  }
  return position;
}
