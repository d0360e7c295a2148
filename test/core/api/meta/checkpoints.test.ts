import { expect } from 'chai';
import type { MetaClient } from '../../../../src/core/api/meta/client.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

describe('small values of one filer', () => {
  const processes = new Processes();
  let meta: MetaClient;

  before(async () => {
    meta = processes.meta(await processes.filer());
  });
  after(() => processes.stopAll());

  it('checkpoints are set, listed and forgotten', async () => {
    const link = '0123456789abcdef';
    await meta.setCheckpoint(link, 'somewhere');
    expect((await meta.checkpoints()).map(({ link: name, value }) => [name, value])).to.deep.equal([[link, 'somewhere']]);
    await meta.setCheckpoint(link, null);
    expect(await meta.checkpoints()).to.deep.equal([]);
    expect((await failureOf(() => meta.setCheckpoint(link, null))).code).to.equal('ENTRY_NOT_FOUND');
    expect((await failureOf(() => meta.setCheckpoint('x', 'somewhere'))).code).to.equal('PARAMETER_INVALID');
    expect((await failureOf(() => meta.setCheckpoint(link, 'elsewhere', { origin: '0'.repeat(16) }))).code).to.equal('PRECONDITION_FAILED');
    expect((await failureOf(() => meta.setCheckpoint(link, 'elsewhere', { origin: 'me' }))).code).to.equal('PARAMETER_INVALID');
    expect((await failureOf(() => meta.setCheckpoint(link, ''))).code).to.equal('BODY_INVALID');
  });

  it('values are kept, read and dropped', async () => {
    expect(await meta.value('note')).to.equal(null);
    await meta.setValue('note', 'ü');
    expect(String(await meta.value('note'))).to.equal('ü');
    await meta.setValue('note', null);
    expect(await meta.value('note')).to.equal(null);
  });
});
