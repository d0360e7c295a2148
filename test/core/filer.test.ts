import { expect } from 'chai';
import type { FilerInfo } from '../../src/core/replication/peer.js';
import { Network } from '../simulation/network.js';
import { Random } from '../simulation/random.js';
import { SimFiler, simLimits } from '../simulation/sim-filer.js';
import { VirtualTime } from '../simulation/virtual-time.js';
import { file, mode, never, p } from '../support/open-log.js';

/** Filers of the real core on a network and disks that are simulated, each with an entry of its own; none has met another. */
async function strangers(count: number): Promise<{ filers: SimFiler[]; time: VirtualTime }> {
  const random = new Random(1);
  const time = new VirtualTime(random);
  const network = new Network(time, random, () => {});
  const around = { time, random, verbose: false, limits: simLimits, masters: () => [], committed: () => {}, count: () => {} };
  const filers: SimFiler[] = [];
  const find = (address: string) => filers.find((filer) => filer.address === address);
  for (let n = 0; n < count; n++) filers.push(new SimFiler(`f${n}`, { ...around, connect: (from, address) => network.peer(from, address, (at) => find(at)) }));
  for (const filer of filers) await filer.start();
  await time.advance(100);
  for (const { live, name } of filers) {
    const written = live.namespace.put(p(`/${name}`), file(name), mode);
    await time.advance(10);
    await written;
  }
  return { filers, time };
}

describe('Filers that must rejoin through each other, each by what it saw of the next a moment ago', () => {
  for (const count of [2, 3]) {
    it(`all ${count} round: not all of them begin, so that one still has what the others count on`, async () => {
      const { filers, time } = await strangers(count);
      for (const filer of filers) filer.commitMs = 100;
      const looked = filers.map((_, n) => (filers[(n + 1) % count] as SimFiler).live.info());
      // As when each breaks off following, a little after the one before.
      const begun = filers.map(async ({ live }, n) => {
        await time.sleep(n * 4);
        live.admission.serveNoMore();
        return live.joining.rejoinWith(looked[n] as FilerInfo, never);
      });
      await time.advance(1000);
      const phases = filers.map(({ live }) => live.log.identity.phase);
      expect(await Promise.all(begun)).to.deep.equal(phases.map((phase) => phase === 'rejoining'));
      expect(phases).to.include('ready');
      for (const filer of filers) filer.crash();
    });
  }
});
