import { expect } from 'chai';
import { FilerError } from '../../src/core/errors.js';
import { FilerMembers } from '../../src/core/filer-members.js';
import { openFiler } from '../support/memory-peer.js';
import { waitFor } from '../support/wait-for.js';

describe('the members that a filer knows of', () => {
  const never = new AbortController().signal;

  it('are kept in its store, and are there at the next start', async () => {
    const [at, peer] = [await openFiler('at:1'), await openFiler('peer:1')];
    const warnings: string[] = [];
    const members = new FilerMembers(at.core.log, { warn: (line) => warnings.push(line) }, never);
    expect(members.list).to.deep.equal([]);
    members.change([peer.member()]);
    expect(
      members.list.map(({ address }) => address),
      'at once',
    ).to.deep.equal(['peer:1']);
    await waitFor(async () => (await at.core.store.load()).meta.has('members'), { what: 'the list to be saved' });
    const again = await at.restart();
    const kept = new FilerMembers(again.core.log, { warn: (line) => warnings.push(line) }, never).list;
    expect(kept.map(({ origin, address }) => [origin, address])).to.deep.equal([[peer.origin, 'peer:1']]);
    expect(warnings).to.deep.equal([]);
  });

  it('are saved with the next change where that failed, and it says so', async () => {
    const [at, peer, other] = [await openFiler('at:1'), await openFiler('peer:1'), await openFiler('other:1')];
    const warnings: string[] = [];
    const members = new FilerMembers(at.core.log, { warn: (line) => warnings.push(line) }, never);
    at.core.store.faults.beforeCommit = () => {
      throw new FilerError('STORE_FULL', 'no space left');
    };
    members.change([peer.member()]);
    await waitFor(() => warnings.length > 0, { what: 'a warning' });
    expect(warnings).to.deep.equal(['the member list could not be saved: no space left']);
    at.core.store.faults.beforeCommit = undefined;
    members.change([peer.member(), other.member()]);
    await waitFor(async () => (await at.core.store.load()).meta.get('members')?.includes('other:1'), { what: 'the list to be saved' });
  });
});
