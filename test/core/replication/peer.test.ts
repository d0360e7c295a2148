import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import type { Peer } from '../../../src/core/replication/peer.js';
import { subscriptionStates } from '../../../src/core/replication/subscription.js';
import { openFiler } from '../../support/memory-peer.js';
import { codeOf, file, mode, never, p } from '../../support/open-log.js';

describe('a Peer', () => {
  it('gives what a filer needs of another one: who it is, its changes, its snapshot', async () => {
    const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
    const peer: Peer = a.peer;
    await b.source.greet(a.caller());
    await a.core.tree.put(p('/f'), file('x'), mode);
    const info = await peer.info(never);
    expect(info).to.deep.include({ origin: a.origin, state: 'ready', position: a.core.log.position, digest: a.core.log.digest, protocol: 1 });
    expect(info.hashes.get(a.origin)).to.equal(a.core.log.state.origins.get(a.origin)?.hash);
    const page = await peer.changes({ origins: [a.origin], position: b.core.log.position, limit: 10, bytesMax: 1e6, waitMs: 0 }, b.caller(), never);
    await b.core.log.apply(page.texts.map((text) => decodeChange(text)));
    expect(b.core.log.digest).to.equal(page.digest);
    const snapshot = await peer.snapshot(null, 10, b.caller(), never);
    expect(snapshot.rows).to.deep.equal(await b.core.store.scan('tree', null, 10, 1e6));
    a.isReachable = false;
    expect(await codeOf(() => peer.info(never))).to.equal('PEER_UNREACHABLE');
  });

  it('is in one of the states that `GET peers` names', () => {
    expect(subscriptionStates).to.deep.equal(['connecting', 'bootstrapping', 'following', 'retrying', 'stalled', 'down', 'refused', 'shared']);
  });
});
