import { expect } from 'chai';
import { ImportReader, encodeImported, type ImportedChange } from '../../../../src/core/change/imported.js';
import type { MetaClient } from '../../../../src/core/api/meta/client.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import { Processes } from '../../../support/processes.js';

const author = 'a000000000000000';

/** A file written by `author`, as one line of JSON. */
function line(name: string, fields: { version?: number; content?: string } = {}): string {
  const version = fields.version ?? 1_763_763_267_123_456;
  const entry = { name, isDirectory: false, attributes: { fileSize: '1' }, content: fields.content ?? 'eA==' };
  const change = { directory: '/in', eventNotification: { newEntry: entry }, replication: { version, author, vector: { [author]: version } } };
  return encodeImported(new ImportReader().read(change) as ImportedChange);
}

const nothing = { applied: 0, superseded: 0, unchanged: 0, conflicting: 0, quarantined: 0 };

describe('POST changes', () => {
  const processes = new Processes();
  let filer: FilerProcess;
  let meta: MetaClient;

  before(async () => {
    filer = await processes.filer();
    meta = processes.meta(filer);
  });
  after(() => processes.stopAll());

  const post = async (query: string, body: string | Buffer) => {
    const answer = await processes.send(filer, 'POST', `/.filer/v1/changes?${query}`, body).catch((error: unknown) => error);
    return answer instanceof FilerError ? answer : (answer as { json(): unknown }).json();
  };
  const head = () => filer.filer.log.state.head;
  const origin = () => filer.filer.log.identity.origin;

  it('takes lines and arrays, says what became of them, and where its own log is', async () => {
    expect(await meta.importChanges([line('a'), line('b')])).to.deep.equal({ ...nothing, applied: 2, position: `${origin()}:2` });
    expect(await post('', `[${line('a')},${line('c')}]`)).to.deep.equal({ ...nothing, applied: 1, unchanged: 1, position: `${origin()}:3` });
    const found = await processes.send(filer, 'GET', '/in/c');
    expect(found.text()).to.equal('x');
  });

  it('answers with the position of the last change in a header too', async () => {
    const answer = await processes.send(filer, 'POST', '/.filer/v1/changes', line('a'));
    expect(answer.headers['filer-position']).to.equal(`${origin()}:3`);
  });

  it('applies nothing if one of them is wrong, and names it', async () => {
    const before = head();
    const wrong = line('x').replace('"version":', '"seq":0,"version":');
    const answer = (await post('', [line('d'), wrong].join('\n'))) as FilerError;
    expect(answer).to.include({ code: 'BODY_INVALID', message: 'changes[1].replication.seq: must be a whole number above 0' });
    expect(((await post('', `${line('d')}\n{"half":`)) as FilerError).message).to.match(/^changes\[1\]: is not JSON/);
    expect(((await post('', `[${line('d')}`)) as FilerError).message).to.match(/^the body is not JSON/);
    expect(((await post('', Buffer.from([0x7b, 0xff]))) as FilerError).message).to.equal('the body is not valid UTF-8');
    expect(((await post('', line('d', { version: 2 ** 51 }))) as FilerError).code).to.equal('VERSION_AHEAD');
    expect(head()).to.equal(before);
  });

  it('takes at most so many', async () => {
    const many = Array.from({ length: 1001 }, (_, i) => line(`m${i}`));
    expect(((await post('', many.join('\n'))) as FilerError).code).to.equal('BODY_TOO_LARGE');
  });

  it('keeps a checkpoint with what it stands for, and refuses half of one', async () => {
    const link = '0123456789abcdef';
    const before = head();
    await meta.importChanges([line('e')], { checkpoint: { link, value: 'here & there' } });
    expect(head()).to.equal(before + 2);
    for (const query of [`checkpoint=${link}`, 'value=x', 'checkpoint=short&value=x', `checkpoint=${link}&value=`, 'after=-1', 'after=0.5'])
      expect(((await post(query, line('f'))) as FilerError).code, query).to.equal('PARAMETER_INVALID');
    expect(head()).to.equal(before + 2);
  });

  it('writes only under the origin that it is told to', async () => {
    const before = head();
    expect(((await post(`origin=${'0'.repeat(16)}`, line('g'))) as FilerError).code).to.equal('PRECONDITION_FAILED');
    expect(((await post('origin=mine', line('g'))) as FilerError).code).to.equal('PARAMETER_INVALID');
    expect(head()).to.equal(before);
    await meta.importChanges([line('g')], { origin: origin() });
    expect(head()).to.equal(before + 1);
  });

  it('moves the clock past after=', async () => {
    const after = Date.now() * 1000 + 3600e6;
    await meta.importChanges([], { after });
    await processes.send(filer, 'PUT', '/late', 'x');
    expect((await filer.filer.namespace.find('/late' as never))?.row?.version).to.be.greaterThan(after);
  });
});
