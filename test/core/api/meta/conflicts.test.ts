import { expect } from 'chai';
import type { ConflictReport } from '../../../../src/core/api/meta/reports.js';
import { receiveChange } from '../../../../src/core/change/refused.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import { ForgedLog } from '../../../support/forged-log.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

describe('GET and POST conflicts', () => {
  const processes = new Processes();
  const peer = new ForgedLog('f'.repeat(16));
  const path = '/.filer/v1/conflicts';
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    for (const name of ['/a', '/b', '/gone']) await put(name, 'of this filer');
    await processes.send(filer, 'DELETE', '/gone');
    // Of another filer, older, and concurrent: they are overruled.
    for (const name of ['/a', '/b', '/gone'])
      peer.put(name, { entry: { content: Buffer.from('of the peer').toString('base64'), attributes: { fileSize: '11' } } });
    await filer.filer.log.apply(peer.texts.map((text) => receiveChange(text)));
  });
  after(() => processes.stopAll());

  const put = (name: string, content: string) => processes.send(filer, 'PUT', name, content);
  const send = async (method: string, target: string) => (await processes.send(filer, method, `${path}${target}`)).json();
  const list = async (query = '') => ((await send('GET', query)) as { conflicts: ConflictReport[] }).conflicts;
  const restore = async (id: string, action = 'restore') => (await send('POST', `/${id}?action=${action}`)) as { path: string; dot: string | null };
  const read = async (name: string) => (await processes.send(filer, 'GET', name)).text();

  it('lists them newest first, with winner and loser, the loser whole', async () => {
    const conflicts = await list();
    expect(conflicts.map(({ path: at, type, loser }) => [at, type, loser.dot])).to.deep.equal([
      ['/gone', 'update/delete', `${peer.origin}:3`],
      ['/b', 'update/update', `${peer.origin}:2`],
      ['/a', 'update/update', `${peer.origin}:1`],
    ]);
    expect(conflicts[2]?.loser).to.deep.include({ deleted: false, author: peer.origin });
    expect(conflicts[2]?.loser.entry).to.deep.include({ name: 'a', content: Buffer.from('of the peer').toString('base64') });
    expect(conflicts[0]?.winner).to.deep.include({ deleted: true, author: filer.filer.log.identity.origin });
  });

  it('narrows by path, id and number', async () => {
    const [, second, third] = await list();
    expect((await list('?path=/b')).map(({ id }) => id)).to.deep.equal([second?.id]);
    expect(await list(`?id=${third?.id}`)).to.deep.equal([third]);
    expect(await list('?limit=2')).to.have.length(2);
    expect(await list('?path=/none')).to.deep.equal([]);
    expect(await list('?id=0000000000000000')).to.deep.equal([]);
  });

  for (const [query, name] of [
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?id=abc', 'id'],
    ['?path=/../x', 'path'],
  ] as const) {
    it(`refuses ${query}, naming the parameter`, async () => {
      const { code, message } = await failureOf(() => list(query));
      expect(code).to.equal('PARAMETER_INVALID');
      expect(message).to.include(`${name}`);
    });
  }

  it('brings one back as a new change, which wins', async () => {
    const [, , { id }] = (await list()) as [ConflictReport, ConflictReport, ConflictReport];
    const { head } = filer.filer.log.state;
    const { path: at, dot } = await restore(id);
    expect([at, dot, filer.filer.log.state.head]).to.deep.equal([
      '/a',
      `${filer.filer.log.identity.origin}:${filer.filer.log.position.get(filer.filer.log.identity.origin)}`,
      head + 1,
    ]);
    expect([await read('/a'), await read('/b')]).to.deep.equal(['of the peer', 'of this filer']);
  });

  it('refuses what it cannot do, and changes nothing', async () => {
    const [{ id }] = (await list()) as [ConflictReport];
    const { head } = filer.filer.log.state;
    for (const [target, code] of [
      [`/${id}`, 'PARAMETER_INVALID'],
      [`/${id}?action=drop`, 'PARAMETER_INVALID'],
      ['/xyz?action=restore', 'PARAMETER_INVALID'],
      ['/0000000000000000?action=restore', 'ENTRY_NOT_FOUND'],
    ] as const) {
      expect((await failureOf(() => send('POST', target))).code, target).to.equal(code);
    }
    filer.filer.admission.refuse(new FilerError('ORIGIN_IN_USE', 'another process has this origin'));
    expect((await failureOf(() => restore(id))).code).to.equal('ORIGIN_IN_USE');
    filer.filer.admission.refuse(null);
    expect(filer.filer.log.state.head).to.equal(head);
  });
});
