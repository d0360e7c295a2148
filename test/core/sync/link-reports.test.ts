import { expect } from 'chai';
import type { Position } from '../../../src/core/clock/vector.js';
import { formatLinkState, type LinkState } from '../../../src/core/sync/link.js';
import { ClusterSide } from '../../../src/core/sync/cluster-side.js';
import { LinkReports } from '../../../src/core/sync/link-reports.js';
import { limits } from '../../../src/core/config/limits.js';
import { ManualTime } from '../../support/manual-time.js';
import { p as path } from '../../support/open-log.js';
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
        status: () => ({ link: 'b'.repeat(16) }) as never,
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

  /** The second filer of the target gets as far as the first. */
  const follow = () =>
    second.core.log.alone(async (draft) => {
      for (const state of target.core.log.state.origins.values()) draft.setOrigin(state);
      await draft.flush();
    });

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
    await follow();
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

  describe('while another process runs a link back', () => {
    const other = 'c'.repeat(16);
    /** The checkpoint of a link back, as the source has it. */
    const stands = async (position: Position, more: Partial<LinkState> = {}) => {
      const [a, b] = [source, target].map((filer) => filer.core.log.identity.clusterId ?? '');
      const scope = { from: path('/'), to: path('/'), excludes: [], deletes: true, ttlSec: 0 };
      const spec = { source: b, target: a, scope };
      await source.asked.setCheckpoint(other, formatLinkState({ spec, phase: 'feed', position, after: null, refused: [], ...more }), {});
    };
    const seen = async () => {
      await follow();
      for (let time = 0; time < 3; time += 1) await told();
      return (await told())?.seen ?? null;
    };

    beforeEach(async () => {
      had = source.core.log.position;
      await target.put('/older');
      back = target.core.log.position;
    });

    it('wait until its checkpoint, too, is past the place where the target was', async () => {
      const before = target.core.log.position;
      await target.put('/still-to-come');
      back = target.core.log.position;
      await stands(before);
      expect(await seen()).to.equal(null);
      await stands(back, { phase: 'copy' });
      expect(await seen()).to.equal(null);
      await stands(back, { refused: [{ path: path('/still-to-come'), dots: back, error: 'not there' }] });
      expect(await seen()).to.equal(null);
      await stands(back);
      expect(await seen()).to.deep.equal(had);
    });

    it("do not wait for a checkpoint behind which there is nothing but kelp's own entries", async () => {
      await stands(target.core.log.position);
      await target.links.announce(link, 'about');
      back = target.core.log.position;
      expect(await seen()).to.deep.equal(had);
    });

    it('do not wait for one that the log of the target no longer reaches back to, nor for what is no link', async () => {
      await stands(new Map());
      expect(await seen()).to.equal(null);
      await target.core.log.alone(async (draft) => {
        await draft.trim(draft.first);
        await draft.flush();
      });
      await source.asked.setCheckpoint('d'.repeat(16), 'of a replay', {});
      expect(await seen()).to.deep.equal(had);
    });
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
