import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { checkpointPath, checkpointValue, Checkpoints } from '../../../src/core/log/checkpoints.js';
import { codeOf, openLog, pull, type OpenLog } from '../../support/open-log.js';

const link = '0123456789abcdef';
const other = 'fedcba9876543210';

const checkpointsOf = ({ log, store, time }: OpenLog) => new Checkpoints(log, store, time, limits);

describe('checkpoints', () => {
  it('are replicated entries that no listing shows', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await checkpointsOf(at).set(link, 'ü:1~b:2');
    await pull(at, peer);
    const [found] = await checkpointsOf(peer).list();
    expect(found).to.include({ link, value: 'ü:1~b:2' });
    expect((await peer.store.findWithChildren([checkpointPath(link)])).rows.map(checkpointValue)).to.deep.equal(['ü:1~b:2']);
    expect((await peer.tree.list('/' as never, { after: '', limit: 10, bytesMax: 1e6 })).entries).to.deep.equal([]);
  });

  it('are written only if the value differs', async () => {
    const at = await openLog();
    const checkpoints = checkpointsOf(at);
    expect(await checkpoints.set(link, 'one')).not.to.equal(null);
    expect(await checkpoints.set(link, 'one')).to.equal(null);
    expect(at.log.state.counts.changes).to.equal(1);
  });

  it('are listed by link, and forgotten ones are not', async () => {
    const checkpoints = checkpointsOf(await openLog());
    for (const name of [other, link]) await checkpoints.set(name, name);
    expect((await checkpoints.list()).map((one) => one.link)).to.deep.equal([link, other]);
    await checkpoints.reset(link);
    expect((await checkpoints.list()).map((one) => one.link)).to.deep.equal([other]);
    expect(await codeOf(() => checkpoints.reset(link))).to.equal('ENTRY_NOT_FOUND');
  });

  for (const name of ['', 'x', '0123456789ABCDEF', '../closed/0123456789abcdef', `${link}0`])
    it(`refuse "${name}" as a link`, async () => {
      expect(await codeOf(() => checkpointPath(name))).to.equal('PARAMETER_INVALID');
    });
});
