import { expect } from 'chai';
import { limits } from '../../src/core/config/limits.js';
import { silentLogger } from '../../src/core/logger.js';
import { Parting } from '../../src/core/replication/parting.js';
import { Reports } from '../../src/core/replication/reports.js';
import { Upkeep } from '../../src/core/upkeep.js';
import { file, mode, never, openLog, p, type OpenLog } from '../support/open-log.js';
import { alpha } from '../support/store-values.js';

const peer = 'f'.repeat(16);

/** The upkeep of a filer that follows one peer and hears nobody else, and whether a master refuses it. */
function upkeepOf(at: OpenLog, around: { isRefused: boolean }): Upkeep {
  const { log, store, time } = at;
  const parting = new Parting({ log, store, time, logger: silentLogger, limits });
  return new Upkeep({
    log,
    store,
    time,
    logger: silentLogger,
    limits,
    backoff: { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
    reports: new Reports(),
    parting,
    force: false,
    around: () => ({ members: [], following: [{ origin: peer, head: new Map() }], heard: [], isStaging: false, ...around }),
  });
}

describe('Upkeep', () => {
  it('writes nothing while another process writes under the same origin', async () => {
    const at = await openLog();
    await at.tree.put(p('/a'), file('a'), mode);
    await at.log.alone(async (draft) => {
      draft.know(alpha);
      await draft.load([p('/a')]);
      const row = draft.row(p('/a'));
      if (row) draft.setRow(row.path, { ...row, dot: null });
      draft.setPartedFrom(peer);
      draft.setIdentity({ phase: 'ready' });
      await draft.flush();
    });
    const around = { isRefused: true };
    const upkeep = upkeepOf(at, around);
    await upkeep.round(never);
    await at.time.advance(limits.forgetAfterMs + 1);
    await upkeep.round(never);
    expect([at.log.state.head, at.log.state.closed.size, at.log.state.partedFrom]).to.deep.equal([1, 0, peer]);
    around.isRefused = false;
    for (let round = 0; round < 2; round++) {
      await upkeep.round(never);
      await at.time.advance(limits.forgetAfterMs + 1);
    }
    expect([at.log.state.head, at.log.state.closed.size, at.log.state.partedFrom]).to.deep.equal([3, 1, null]);
  });
});
