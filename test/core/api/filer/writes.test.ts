import { expect } from 'chai';
import { MemoryDisk, MemoryStore } from '../../../../src/core/store/memory/memory-store.js';
import { SqliteStore } from '../../../../src/core/store/sqlite/sqlite-store.js';
import { realTime } from '../../../../src/core/time.js';
import { LocalTree } from '../../../support/local-tree.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor } from '../../../support/wait-for.js';

describe('the tree over a durable store', () => {
  it('takes writes that arrive together in few commits', async () => {
    const tree = await LocalTree.start({ store: await SqliteStore.open(await tempDir(), realTime) });
    try {
      const { log } = tree.filer;
      const { commits } = log.totals;
      // They wait behind another job until all are there, however slowly they come.
      let release = () => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      const before = log.alone(async () => held);
      const writes = Array.from({ length: 64 }, (_, index) => tree.put(`/many/${index}`, 'x'));
      await waitFor(() => log.queued === 64, { what: 'all writes to wait for their turn' });
      release();
      await before;
      const answers = await Promise.all(writes);
      expect(answers.every(({ status }) => status === 201)).to.equal(true);
      // The job before them, and at most two groups.
      expect(log.totals.commits - commits).to.be.at.most(3);
      expect((await tree.client.list(tree.path('/many'))).Entries).to.have.length(64);
    } finally {
      await tree.stop();
    }
  });
});

describe('the limit of a file', () => {
  let tree: LocalTree;
  before(async () => {
    tree = await LocalTree.start({ saveToFilerLimit: 10 });
  });
  after(() => tree.stop());

  it('lets a file of just that size in', async () => {
    expect((await tree.put('/a', 'x'.repeat(10))).status).to.equal(201);
    expect((await tree.form('/b', [{ filename: 'b', content: 'x'.repeat(10) }])).status).to.equal(201);
  });

  it('answers 413 naming the flag for more, with and without a length, and in a form', async () => {
    const answers = [
      await tree.put('/c', 'x'.repeat(11)),
      await tree.send('PUT', '/c', { headers: { 'Transfer-Encoding': 'chunked' }, body: 'x'.repeat(11) }),
      await tree.form('/c', [{ filename: 'c', content: 'x'.repeat(11) }]),
      await tree.form('/c', [{ filename: 'c', content: 'x'.repeat(100_000) }]),
    ];
    for (const answer of answers) {
      expect([answer.status, answer.json['code'], answer.json['limit']]).to.deep.equal([413, 'BODY_TOO_LARGE', 10]);
      expect(answer.json['error']).to.contain('--saveToFilerLimit');
    }
    expect((await tree.get('/c')).status).to.equal(404);
  });
});

describe('a filer that may not take writes', () => {
  it('answers them with 503 while it joins, and goes on reading', async () => {
    const tree = await LocalTree.start({ start: false });
    try {
      for (const [method, target] of [
        ['PUT', '/a'],
        ['POST', '/a/'],
        ['POST', '/b?mv.from=/a'],
        ['DELETE', '/a'],
      ] as const) {
        const answer = await tree.send(method, target);
        expect([answer.status, answer.json['code'], answer.headers['retry-after']]).to.deep.equal([503, 'BOOTSTRAPPING', '1']);
      }
      expect((await tree.get('/')).json['EmptyFolder']).to.equal(true);
    } finally {
      await tree.stop();
    }
  });

  it('answers a write that the store refused as not done', async () => {
    const store = new MemoryStore(new MemoryDisk());
    const tree = await LocalTree.start({ store });
    try {
      store.faults.beforeCommit = () => {
        throw new Error('the disk is on fire');
      };
      const answer = await tree.put('/a');
      expect([answer.status, answer.json['code']]).to.deep.equal([503, 'STORE_FAILED']);
      delete store.faults.beforeCommit;
      expect((await tree.get('/a')).status).to.equal(404);
      expect((await tree.put('/a')).status).to.equal(201);
    } finally {
      await tree.stop();
    }
  });
});
