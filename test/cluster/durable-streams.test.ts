import { stream } from '@durable-streams/client';
import { expect } from 'chai';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { Processes } from '../support/processes.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

/** A change, as far as this test looks at it. */
interface Change {
  readonly eventNotification: { readonly newEntry?: { readonly name: string } };
  readonly replication: { readonly origin: string; readonly seq: number };
}

const nameOf = (change: Change) => change.eventNotification.newEntry?.name;
const backoffOptions = { initialDelay: 20, maxDelay: 200, multiplier: 1.3 };

describe('the public Durable Streams client, unchanged', () => {
  const processes = new Processes();
  let filer: FilerProcess;
  let dir: string;

  before(async () => {
    dir = await tempDir();
    filer = await processes.filer({ dir });
    for (let i = 0; i < 25; i++) await put(`/old/${i}`);
  });
  after(() => processes.stopAll());

  const put = (path: string) => processes.send(filer, 'PUT', path, path);
  const url = () => `http://${filer.address}/.filer/v1/changes`;
  const restart = async () => {
    await processes.stop(filer);
    filer = await processes.filer({ dir, port: Number(filer.address.split(':')[1]) });
  };

  it('catches up over many pages', async () => {
    const answer = await stream<Change>({ url: url(), offset: '-1', params: { limit: '4' }, warnOnHttp: false });
    const changes = await answer.json();
    expect(changes.map(({ replication }) => replication.seq)).to.deep.equal(Array.from({ length: 26 }, (_, i) => i + 1));
    expect(answer.offset).to.equal(filer.filer.info().head);
  });

  for (const live of ['long-poll', 'sse'] as const) {
    it(`follows by ${live}, through a restart of the filer, and sees each change once`, async () => {
      const seen: Change[] = [];
      const stopped = new AbortController();
      const answer = await stream<Change>({
        url: url(),
        offset: '-1',
        live,
        signal: stopped.signal,
        backoffOptions,
        warnOnHttp: false,
        params: { limit: '7' },
      });
      const end = answer.subscribeJson((batch) => void seen.push(...batch.items));
      const until = (name: string) => waitFor(() => seen.some((change) => nameOf(change) === name), { what: `${name} by ${live}` });

      await until('24');
      await put(`/new/${live}-1`);
      await until(`${live}-1`);
      await restart();
      await put(`/new/${live}-2`);
      await until(`${live}-2`);
      await put(`/new/${live}-3`);
      await until(`${live}-3`);
      end();
      stopped.abort();
      expect(seen.map(({ replication }) => replication.seq)).to.deep.equal(Array.from({ length: seen.length }, (_, i) => i + 1));
    });
  }

  it('sees the end of a bounded read', async () => {
    const until = String(filer.filer.log.clock.now());
    const answer = await stream<Change>({ url: url(), offset: '-1', live: true, params: { until }, warnOnHttp: false });
    const changes: Change[] = [];
    answer.subscribeJson((batch) => void changes.push(...batch.items));
    await answer.closed;
    expect(answer.streamClosed).to.equal(true);
    await waitFor(() => changes.length > 25, { what: 'the changes up to then' });
  });

  it('is told what is wrong with its offset', async () => {
    const failure = (offset: string) =>
      stream({ url: url(), offset, live: false, warnOnHttp: false }).then(
        () => null,
        (error: { status?: number; json?: { code?: string } }) => ({ status: error.status, code: error.json?.code }),
      );
    expect(await failure('nonsense')).to.deep.equal({ status: 400, code: 'PARAMETER_INVALID' });
    expect(await failure('00000000'.padEnd(24, '0'))).to.deep.equal({ status: 410, code: 'OFFSET_UNKNOWN' });
  });

  it('starts at the end with offset=now', async () => {
    const stopped = new AbortController();
    const answer = await stream<Change>({ url: url(), offset: 'now', live: 'long-poll', signal: stopped.signal, warnOnHttp: false });
    const seen: Change[] = [];
    const end = answer.subscribeJson((batch) => void seen.push(...batch.items));
    await put('/new/last');
    await waitFor(() => seen.length > 0, { what: 'the change' });
    end();
    stopped.abort();
    expect(seen.map(nameOf)).to.deep.equal(['last']);
  });
});
