import { expect } from 'chai';
import { receiveChange } from '../../../../src/core/change/refused.js';
import { limits } from '../../../../src/core/config/limits.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import { ForgedLog } from '../../../support/forged-log.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

describe('the health of one filer', () => {
  const processes = new Processes();
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    await processes.send(filer, 'PUT', '/docs/a', 'a');
  });
  after(() => processes.stopAll());

  const get = async (target: string) => {
    const answer = await fetch(`http://${filer.address}${target}`);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  const getJson = async (target: string) => {
    const { status, text } = await get(target);
    return [status, JSON.parse(text) as unknown];
  };
  const fit = { ready: true, state: 'ready', reasons: [], warnings: [] };

  it('GET /healthz says that it is alive, GET /readyz that it is fit for traffic', async () => {
    expect(await getJson('/healthz')).to.deep.equal([200, { status: 'ok' }]);
    for (const query of ['', '?maxLag=1s', '?maxLag=0', '?maxLag=720h']) expect(await getJson(`/readyz${query}`), query).to.deep.equal([200, fit]);
    expect(await processes.meta(filer).readiness(1000)).to.deep.equal({ ready: true, reasons: [] });
  });

  it('GET /readyz refuses a lag that makes no sense, naming the parameter', async () => {
    for (const text of ['soon', '', '-1s', '1d', '721h', '1s&maxLag=2s']) {
      const { code, message } = await failureOf(() => processes.send(filer, 'GET', `/readyz?maxLag=${text}`));
      expect(code, text).to.equal('PARAMETER_INVALID');
      expect(message, text).to.match(/^maxLag: /);
    }
  });

  it('GET /readyz lists every reason why it is not, with when to ask again; it is alive all the same', async () => {
    filer.filer.admission.refuse(new FilerError('ORIGIN_IN_USE', 'another process has this origin; stop it'));
    try {
      const reason = { code: 'ORIGIN_IN_USE', error: 'another process has this origin; stop it' };
      const { status, headers, text } = await get('/readyz');
      expect([status, headers.get('retry-after'), JSON.parse(text)]).to.deep.equal([
        503,
        String(limits.retryAfterSeconds),
        { ...reason, ready: false, state: 'refused', reasons: [reason], warnings: [] },
      ]);
      expect(await processes.meta(filer).readiness()).to.deep.equal({ ready: false, reasons: [reason] });
      expect(await getJson('/healthz')).to.deep.equal([200, { status: 'ok' }]);
      expect((await get('/metrics')).text).to.match(/^kelp_ready 0$/m);
    } finally {
      filer.filer.admission.refuse(null);
    }
    expect(await getJson('/readyz')).to.deep.equal([200, fit]);
  });

  it('GET /metrics counts, as Prometheus reads it', async () => {
    const { status, headers, text } = await get('/metrics');
    expect([status, headers.get('content-type')]).to.deep.equal([200, 'text/plain; version=0.0.4; charset=utf-8']);
    for (const line of [
      /^kelp_requests_total\{method="GET",route="\/healthz",status="200"\} \d+$/m,
      /^kelp_store_commits_total \d+$/m,
      /^kelp_ready 1$/m,
      /^kelp_changes_total\{kind="local"\} [1-9]/m,
    ])
      expect(text).to.match(line);
  });

  it('GET /readyz warns of what is quarantined, and stays ready', async () => {
    const peer = new ForgedLog('f'.repeat(16));
    peer.putBad('/bad');
    await filer.filer.log.apply(peer.texts.map((text) => receiveChange(text)));
    const warnings = [{ code: 'QUARANTINED', error: '1 change is quarantined; see kelp filer.quarantine' }];
    expect(await getJson('/readyz')).to.deep.equal([200, { ...fit, warnings }]);
  });
});
