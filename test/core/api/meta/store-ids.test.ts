import { expect } from 'chai';
import { askStoreIds, findDigestProblem } from '../../../../src/core/api/meta/store-ids.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { FilerState } from '../../../../src/core/replication/peer.js';
import { freePort } from '../../../support/free-port.js';
import { codeOf, file, mode, never, p } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

describe('the ids of a filer’s store', () => {
  const processes = new Processes();
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    await filer.filer.namespace.put(p('/a'), file('a'), mode);
  });
  after(() => processes.stopAll());

  it('are those it works under', async () => {
    const { identity, position } = filer.filer.log;
    const { storeId, origin, former, clusterId, lineage, epoch } = identity;
    expect(await askStoreIds(filer.address, never)).to.deep.equal({
      ...{ storeId, origin, former, clusterId, lineage, epoch, phase: 'ready', engine: 'sqlite', kind: 'embedded' },
      position: Object.fromEntries(position),
    });
  });

  for (const [state, isReady, phase] of [
    ['starting', true, 'ready'],
    ['starting', false, 'fresh'],
    ['readonly', false, 'restored'],
    ['bootstrapping', false, 'bootstrapping'],
    ['rejoining', false, 'rejoining'],
    ['refused', true, null],
  ] as const satisfies readonly (readonly [FilerState, boolean, string | null])[])
    it(`name the phase of a filer that is ${state} and ${isReady ? 'tells' : 'does not tell'} its lineage`, async () => {
      const { status } = filer.filer;
      const info = status.info();
      status.info = () => ({ ...info, state, lineage: isReady ? info.lineage : null });
      try {
        expect((await askStoreIds(filer.address, never)).phase).to.equal(phase);
      } finally {
        Reflect.deleteProperty(status, 'info');
      }
    });

  it('are not to be had where nobody is', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    expect(await codeOf(() => askStoreIds(nobody, never))).to.equal('PEER_UNREACHABLE');
  });

  it('go with a digest that the rows add up to', async () => {
    expect(await findDigestProblem(filer.address, never)).to.equal(null);
  });
});
