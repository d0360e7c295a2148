import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { MasterClient } from '../../src/core/api/master/client.js';
import { limits } from '../../src/core/config/limits.js';
import { FilerError } from '../../src/core/errors.js';
import { HttpClient } from '../../src/core/http/client.js';
import { json } from '../../src/core/http/router.js';
import { HttpServer } from '../../src/core/http/server.js';
import { silentLogger } from '../../src/core/logger.js';
import { Master, type MasterOptions } from '../../src/core/master.js';
import { realTime } from '../../src/core/time.js';
import { announcementOf, hexId } from '../support/announcements.js';

const a = hexId('a');
const b = hexId('b');
const never = new AbortController().signal;

describe('Master', () => {
  let mdir: string;
  let http: HttpClient;
  let running: Master[];

  const start = async (options: Partial<MasterOptions> = {}): Promise<{ master: Master; client: MasterClient }> => {
    const master = new Master({
      ip: '127.0.0.1',
      bind: '127.0.0.1',
      port: 0,
      mdir,
      forgetAfterMs: limits.forgetAfterMs,
      time: realTime,
      logger: silentLogger,
      drainMs: 200,
      ...options,
    });
    await master.start();
    running.push(master);
    return { master, client: new MasterClient(http, master.address) };
  };
  const failure = async (answer: Promise<unknown>): Promise<FilerError> => {
    const outcome = await answer.catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(FilerError);
    return outcome as FilerError;
  };

  beforeEach(async () => {
    mdir = await mkdtemp(join(tmpdir(), 'kelp-master-'));
    http = new HttpClient({ connections: 4 });
    running = [];
  });
  afterEach(async () => {
    await http.close();
    for (const master of running) await master.stop();
    await rm(mdir, { recursive: true });
  });

  it('registers filers and tells the others at once', async () => {
    const { client } = await start();
    const first = await client.announce(announcementOf({ origin: a, address: '127.0.0.1:1', position: new Map([[a, 7]]) }));
    expect(first.members).to.have.lengthOf(1);
    expect(first.members[0]).to.deep.include({ origin: a, state: 'up', position: new Map([[a, 7]]) });
    const held = client.members(first.version, '', never);
    const second = await client.announce(announcementOf({ origin: b, address: '127.0.0.1:2' }));
    expect((await held).members.map(({ origin }) => origin)).to.deep.equal([a, b]);
    expect((await held).version).to.equal(second.version);
    expect((await client.members('another', '', never)).version, 'at once').to.equal(second.version);
    expect((await client.list('blue')).members).to.deep.equal([]);
  });

  it('answers a held question with the same list when its time is up', async () => {
    const { master, client } = await start();
    const { version } = await client.announce(announcementOf());
    const answer = await http.request({
      address: master.address,
      method: 'GET',
      path: '/cluster/filers',
      query: { live: 'long-poll', version, timeout: '50ms' },
    });
    expect(answer.json()).to.deep.include({ version });
  });

  it('takes a filer that stops for down at once, and lets nobody else say so', async () => {
    const { client } = await start();
    await client.announce(announcementOf({ instance: 'one' }));
    await client.leave(announcementOf({ instance: 'another' }));
    expect((await client.list('')).members[0]?.state).to.equal('up');
    await client.leave(announcementOf({ instance: 'one' }));
    expect((await client.list('')).members[0]?.state).to.equal('down');
  });

  it('without a cluster id takes that of another master which the filer names', async () => {
    const first = await start({ clusterId: hexId('c') });
    const { client } = await start({ mdir: join(mdir, 'second') });
    expect((await client.announce(announcementOf(), ['127.0.0.1:1', first.master.address])).clusterId).to.equal(hexId('c'));
  });

  it('forgets by command', async () => {
    const { client } = await start();
    await client.announce(announcementOf());
    await client.forget(a);
    expect((await client.list('')).members).to.deep.equal([]);
    expect((await failure(client.forget(a))).code).to.equal('ENTRY_NOT_FOUND');
  });

  it('keeps the cluster id it was first told, and nothing else, through a restart', async () => {
    const before = await start();
    const { clusterId } = await before.client.announce(announcementOf());
    expect(clusterId).to.match(/^[0-9a-f]{16}$/);
    expect((await stat(join(mdir, 'master.json'))).mode & 0o777).to.equal(0o600);
    await before.master.stop();
    const { master, client } = await start();
    expect(master.clusterId).to.equal(clusterId);
    expect((await client.list('')).members).to.deep.equal([]);
    expect((await failure(client.announce(announcementOf({ clusterId: hexId('d') })))).code).to.equal('CLUSTER_MISMATCH');
  });

  it('takes the cluster id it is started with, if it has no other', async () => {
    const { master, client } = await start({ clusterId: hexId('c') });
    expect((await client.status()).clusterId).to.equal(hexId('c'));
    expect(JSON.parse(await readFile(join(mdir, 'master.json'), 'utf8'))).to.deep.equal({ clusterId: hexId('c') });
    await master.stop();
    expect((await failure(start({ clusterId: hexId('d') }))).code).to.equal('USAGE');
    expect((await failure(start({ clusterId: 'mine' }))).code).to.equal('USAGE');
  });

  it('does not take a broken file for a fresh start', async () => {
    for (const text of ['', '{"clusterId":', '{}', 'null']) {
      await writeFile(join(mdir, 'master.json'), text);
      const error = await failure(start());
      expect(error.code).to.equal('STORE_FAILED');
      expect(error.message).to.contain('master.json').and.contain('--clusterId');
    }
  });

  it('answers nobody with an id it could not keep', async () => {
    const { client } = await start({ mdir: join(mdir, 'file', 'below') });
    await writeFile(join(mdir, 'file'), '');
    expect((await failure(client.announce(announcementOf()))).code).to.equal('STORE_FAILED');
    expect((await client.status()).clusterId).to.equal(null);
  });

  it('asks the old address of a filer that seems to have moved', async () => {
    const { client } = await start();
    const original = new HttpServer({
      routes: [{ method: 'GET', path: '/.filer/v1/store', role: 'peer', summary: '', handler: async () => json(200, { origin: a, instance: 'original' }) }],
      hosts: [],
      time: realTime,
      logger: silentLogger,
    });
    const { port } = await original.listen('127.0.0.1', 0);
    await client.announce(announcementOf({ address: `127.0.0.1:${port}`, instance: 'original' }));
    const copy = announcementOf({ address: '127.0.0.1:2', instance: 'copy' });
    const refused = await failure(client.announce(copy));
    expect(refused).to.deep.include({ code: 'ORIGIN_IN_USE', fields: { origin: a, address: `127.0.0.1:${port}`, instance: 'original' } });
    await original.stop();
    expect((await client.announce(copy)).members[0]).to.include({ address: '127.0.0.1:2' });
  });

  it('says who leads, that it is well, and what it counts', async () => {
    const { master, client } = await start();
    await client.announce(announcementOf());
    const { version, ...status } = await client.status();
    expect(version).to.match(/^[0-9a-f]+-\d+$/);
    expect(status).to.deep.equal({ isLeader: true, leader: master.address, peers: [], clusterId: master.clusterId, filers: 1, choosing: false });
    for (const path of ['/healthz', '/readyz'])
      expect((await http.request({ address: master.address, method: 'GET', path })).json()).to.deep.equal({ status: 'ok' });
    const metrics = (await http.request({ address: master.address, method: 'GET', path: '/metrics' })).text();
    expect(metrics)
      .to.contain('\nkelp_master_members{state="up"} 1\nkelp_master_members{state="down"} 0\n')
      .and.contain('kelp_master_announcements_total{outcome="ok"} 1\n');
  });

  it('refuses bad input with 4xx and a reason', async () => {
    const { master } = await start();
    const { address } = master;
    const good = JSON.stringify({ address: '127.0.0.1:1', storeId: a, engine: 'sqlite', kind: 'embedded', instance: 'x' });
    const cases: [method: string, path: string, body: string | undefined, code: string][] = [
      ['PUT', '/cluster/filers/XYZ', good, 'PARAMETER_INVALID'],
      ['PUT', `/cluster/filers/${a}`, '{', 'BODY_INVALID'],
      ['PUT', `/cluster/filers/${a}`, '{}', 'BODY_INVALID'],
      ['PUT', `/cluster/filers/${a}`, good.replace('127.0.0.1', '169.254.169.254'), 'PARAMETER_INVALID'],
      ['PUT', `/cluster/filers/${a}`, 'x'.repeat(limits.announcementBytesMax + 1), 'BODY_TOO_LARGE'],
      ['DELETE', '/cluster/filers/XYZ', undefined, 'PARAMETER_INVALID'],
      ['GET', '/cluster/filers?live=always', undefined, 'PARAMETER_INVALID'],
      ['GET', '/cluster/filers?live=long-poll&timeout=2h', undefined, 'PARAMETER_INVALID'],
      ['GET', '/cluster/filers?version=1&version=2', undefined, 'PARAMETER_INVALID'],
      ['GET', '/nothing', undefined, 'ENTRY_NOT_FOUND'],
      ['POST', '/cluster/filers', undefined, 'METHOD_NOT_ALLOWED'],
    ];
    for (const [method, path, body, code] of cases)
      expect((await failure(http.request({ address, method, path, body }))).code, `${method} ${path}`).to.equal(code);
    expect((await http.request({ address, method: 'GET', path: '/cluster/filers' })).json()).to.deep.include({ members: [] });
  });

  it('ends held questions when it stops', async () => {
    const { master, client } = await start();
    const { version } = await client.announce(announcementOf());
    const held = failure(client.members(version, '', never));
    await client.status();
    await master.stop();
    expect((await held).code).to.be.oneOf(['STOPPING', 'PEER_UNREACHABLE']);
  });

  it('names the port that is taken', async () => {
    const { master } = await start();
    const error = await failure(start({ port: Number(master.address.split(':')[1]) }));
    expect(error.code).to.equal('ADDRESS_IN_USE');
  });
});
