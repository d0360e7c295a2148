import { expect } from 'chai';
import { knownFilers, knownPaths } from '../../../src/core/api/known-names.js';
import { MasterClient } from '../../../src/core/api/master/client.js';
import { announcementOf, hexId } from '../../support/announcements.js';
import { freePort } from '../../support/free-port.js';
import { LocalTree } from '../../support/local-tree.js';
import { failureOf } from '../../support/open-log.js';
import { Processes } from '../../support/processes.js';

const { signal } = new AbortController();
const ended = AbortSignal.abort(new Error('who typed has gone on'));
const failure = (ask: Promise<unknown>): Promise<unknown> =>
  ask.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

describe('knownFilers', () => {
  const processes = new Processes();
  after(() => processes.stopAll());

  it('gives the filers that a master knows as up, but for those of a group', async () => {
    const { address } = await processes.master();
    expect(await knownFilers({ address, signal })).to.deep.equal([]);
    const master = new MasterClient(processes.http, address);
    const [a, b, gone, blue] = [
      announcementOf({ origin: hexId('a'), address: '127.0.0.1:1' }),
      announcementOf({ origin: hexId('b'), address: '127.0.0.1:2' }),
      announcementOf({ origin: hexId('c'), address: '127.0.0.1:3' }),
      announcementOf({ origin: hexId('d'), address: '127.0.0.1:4', group: 'blue' }),
    ];
    const { clusterId } = await master.announce(a);
    for (const other of [b, gone, blue]) await master.announce({ ...other, clusterId });
    await master.leave({ ...gone, clusterId });
    expect(await knownFilers({ address, signal })).to.have.members(['127.0.0.1:1', '127.0.0.1:2']);
  });

  it('says that nobody is there, and ends with its signal', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    expect((await failureOf(() => knownFilers({ address, signal }))).code).to.equal('PEER_UNREACHABLE');
    expect(await failure(knownFilers({ address, signal: ended }))).to.equal(ended.reason);
  });
});

describe('knownPaths', () => {
  const names = ['a', 'a b', 'a*', 'a?', 'a[b', 'a]b', 'a\\b', 'ab', 'aé😀', 'é', '*', '%41'];
  let tree: LocalTree;

  before(async () => {
    tree = await LocalTree.start({ directories: { listed: true, exposed: true, dirListLimit: names.length } });
    for (const name of names) await tree.put(`/dir/${encodeURIComponent(name)}`);
    await tree.send('POST', '/dir2/sub/?mode=0000');
    await tree.put('/top');
  });
  after(() => tree.stop());

  const paths = (directory: string, prefix: string) => knownPaths({ address: `127.0.0.1:${tree.port}`, signal }, directory, prefix);

  it('gives what begins with the prefix, to the letter, signs of patterns too', async () => {
    for (const prefix of ['', 'A', '**', ...names])
      expect(await paths('/dir', prefix), prefix).to.have.members(names.filter((name) => name.startsWith(prefix)).map((name) => `/dir/${name}`));
  });

  it('marks directories by a slash, those below the root too', async () => {
    expect(await paths('/', '')).to.deep.equal(['/dir/', '/dir2/', '/top']);
    expect(await paths('/', 'dir2')).to.deep.equal(['/dir2/']);
    expect(await paths('/dir2/', '')).to.deep.equal(['/dir2/sub/']);
    expect(await paths('//dir2', 's')).to.deep.equal(['/dir2/sub/']);
  });

  it('gives at most one page', async () => {
    await tree.put('/many/0');
    for (let n = 1; n <= names.length; n += 1) await tree.put(`/many/${n}`);
    expect(await paths('/many', '')).to.have.length(names.length);
    await tree.send('DELETE', '/many?recursive=true');
  });

  it('says what is wrong with the directory', async () => {
    expect((await failureOf(() => paths('/none', ''))).code).to.equal('ENTRY_NOT_FOUND');
    expect((await failureOf(() => paths('/top', ''))).code).to.equal('PARAMETER_INVALID');
    for (const directory of ['dir', '', '/a/../b']) expect((await failureOf(() => paths(directory, ''))).code, directory).to.equal('PATH_INVALID');
    const nobody = { address: `127.0.0.1:${await freePort()}`, signal };
    expect((await failureOf(() => knownPaths(nobody, '/', ''))).code).to.equal('PEER_UNREACHABLE');
    expect(await failure(knownPaths({ ...nobody, signal: ended }, '/', ''))).to.equal(ended.reason);
  });
});
