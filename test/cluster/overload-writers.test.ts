import { expect } from 'chai';
import { limits } from '../../src/core/config/limits.js';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { closeClients, openClients, requestText, tell } from '../support/load.js';
import { Processes } from '../support/processes.js';
import { waitFor } from '../support/wait-for.js';

describe('A filer with more writes than it can take', function () {
  this.timeout(120_000);
  const processes = new Processes();
  let a: FilerProcess;
  let b: FilerProcess;

  before(async () => {
    const masters = [(await processes.master()).address];
    // A short queue, so that a test can fill it.
    a = await processes.filer({ masters, limits: { queueDecisions: 200, groupDecisions: 50 } });
    b = await processes.filer({ masters });
    // Whoever joins the others answers 503, and under the load below that would take long.
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const path = `/before/${from.address}`;
      await waitFor(() => processes.send(from, 'PUT', path, 'x'), { what: `${path} to be written`, timeoutMs: 30_000 });
      await waitFor(() => processes.send(to, 'HEAD', path), { what: `${path} at the other filer`, timeoutMs: 30_000 });
    }
  });

  after(() => processes.stopAll());

  it('refuses what its queue does not hold, and applies the writes of its peer all the while', async () => {
    const answers = new Map<string, number>();
    let going = true;
    let number = 0;
    const batch = () => Array.from({ length: limits.pipelinedMax }, () => requestText('PUT', `/flood/${number++ % 1000}`, 'Content-Length: 0')).join('');
    // Each connection keeps as many writes under way as it may: more in all than the queue takes.
    const writers = await openClients(Number(a.address.split(':')[1]), 50, (client) => {
      let waiting = limits.pipelinedMax;
      client.socket.on('data', (text) => {
        for (const [, status] of String(text).matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
          answers.set(status as string, (answers.get(status as string) ?? 0) + 1);
          waiting -= 1;
        }
        if (waiting > 0 || !going) return;
        waiting = limits.pipelinedMax;
        client.send(batch());
      });
      client.send(batch());
    });
    await waitFor(() => answers.get('503'), { what: 'refusals', timeoutMs: 30_000 });
    const refusedBefore = answers.get('503') as number;
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      const started = performance.now();
      await processes.send(b, 'PUT', `/of-the-peer/${i}`, 'x');
      await waitFor(() => processes.send(a, 'HEAD', `/of-the-peer/${i}`), { what: 'the write of the peer', everyMs: 5 });
      waits.push(Math.round(performance.now() - started));
    }
    going = false;
    tell(`answers ${JSON.stringify(Object.fromEntries(answers))}; from the peer after ${waits.join(', ')} ms`);
    expect(writers.find(({ text }) => text.includes('HTTP/1.1 503'))?.text)
      .to.match(/"code":"OVERLOADED"/)
      .and.match(/\r\nRetry-After: 1\r\n/);
    expect(answers.get('503'), 'the queue was full while the peer wrote').to.be.above(refusedBefore);
    // The load and both filers share one event loop here, so how soon depends on the machine; a flood must not stop it.
    expect(Math.max(...waits)).to.be.below(10_000);
    closeClients(writers);
    await waitFor(() => a.filer.log.queued === 0 && a.filer.log.digest === b.filer.log.digest, { what: 'equal digests', timeoutMs: 60_000 });
  });
});
