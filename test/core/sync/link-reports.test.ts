import { expect } from 'chai';
import type { Position } from '../../../src/core/clock/vector.js';
import { ClusterSide } from '../../../src/core/sync/cluster-side.js';
import { LinkReports } from '../../../src/core/sync/link-reports.js';
import { limits } from '../../../src/core/config/limits.js';
import { ManualTime } from '../../support/manual-time.js';
import { MemorySyncFiler, openSyncFiler } from '../../support/memory-sync-filer.js';
import { openFiler } from '../../support/memory-peer.js';

const link = 'a'.repeat(16);
const never = new AbortController().signal;

describe('LinkReports', () => {
  const time = new ManualTime();
  let source: MemorySyncFiler;
  let target: MemorySyncFiler;
  let second: MemorySyncFiler;
  let had: Position | null;
  let back: Position | null;
  let reports: LinkReports;
  /** Addresses of filers that join the target later, and how they are reached. */
  let joined: string[] = [];
  const known = new Map<string, MemorySyncFiler['asked']>();

  beforeEach(async () => {
    [source, target] = [await openSyncFiler('a', time), await openSyncFiler('b', time)];
    second = new MemorySyncFiler(await openFiler('second:8888', 'ready', { time }));
    await second.core.log.alone(async (draft) => {
      draft.setIdentity({ clusterId: target.core.log.identity.clusterId });
      await draft.flush();
    });
    joined = [];
    target = new MemorySyncFiler(target.filer, () => [second.address, ...joined]);
    await source.links.announce(link, 'about');
    await source.put('/f');
    had = null;
    back = new Map();
    const side = (name: string, filers: readonly MemorySyncFiler[]) => {
      const byAddress = new Map(filers.map((filer) => [filer.address, filer.asked]));
      return new ClusterSide({
        name,
        addresses: [...byAddress.keys()],
        connect: (address) => (byAddress.get(address) ?? known.get(address))!,
        addressesMax: limits.membersMax,
      });
    };
    const [a, b] = [side('a', [source]), side('b', [target, second])];
    await Promise.all([a.meetAny(never), b.meetAny(never)]);
    reports = new LinkReports({
      direction: { acknowledged: () => had, status: () => ({ link }) as never },
      back: {
        get position() {
          return back;
        },
      },
      source: a,
      target: b,
      scope: { from: '/' as never, to: '/' as never, excludes: [], deletes: true, ttlSec: 0 },
      time,
      limits,
    });
  });

  const told = async () => {
    await reports.report(never);
    return source.links.list()[0]?.report ?? null;
  };

  it('tell nothing before it is known how far the link is', async () => {
    expect(await told()).to.equal(null);
    had = source.core.log.position;
    expect((await told())?.position).to.deep.equal(had);
  });

  it('tell what was seen when all of the target and the link back are past the place where the target was', async () => {
    had = source.core.log.position;
    await target.put('/imported');
    const place = target.core.log.position;
    // The second filer has not followed yet: should the first be lost, the link goes on from what the second has.
    expect(await told()).to.equal(null);
    back = place;
    expect(await told()).to.equal(null);
    await second.core.log.alone(async (draft) => {
      for (const [origin, seq] of place) draft.setOrigin({ ...draft.origins.get(origin)!, ...target.core.log.state.origins.get(origin)!, seq });
      await draft.flush();
    });
    back = new Map();
    expect(await told()).to.deep.equal({ position: had, seen: null });
    back = place;
    expect((await told())?.seen).to.deep.equal(had);
  });

  it('say anew that there is a link where it is not known any more', async () => {
    had = source.core.log.position;
    await told();
    await source.links.forget(link);
    expect(await told()).to.equal(null);
    expect((await told())?.position).to.deep.equal(had);
  });

  it('learn of filers that have joined the target', async () => {
    const late = new MemorySyncFiler(await openFiler('late:8888', 'ready', { time }));
    joined.push(late.address);
    known.set(late.address, late.asked);
    had = source.core.log.position;
    await told();
    expect(late.calls.map(({ kind }) => kind)).to.include('info');
  });

  it('tell at once that the link was set back', async () => {
    had = source.core.log.position;
    back = target.core.log.position;
    expect((await told())?.seen).to.deep.equal(had);
    had = new Map();
    expect(await told()).to.deep.equal({ position: had, seen: null });
  });

  it('wait while a filer of the target does not answer: it may hold what is older', async () => {
    had = source.core.log.position;
    second.before = () => {
      throw new Error('cut off');
    };
    for (let time = 0; time < 4; time += 1) expect(await told()).to.equal(null);
    second.before = () => {};
    await told();
    expect((await told())?.seen).to.deep.equal(had);
  });
});
