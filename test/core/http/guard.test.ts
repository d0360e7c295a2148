import { createSecretKey, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { expect } from 'chai';
import type { FilerProcess } from '../../../src/core/filer-process.js';
import { HttpClient } from '../../../src/core/http/client.js';
import type { Master } from '../../../src/core/master.js';
import type { Secrets } from '../../../src/core/security/secret-file.js';
import { Signer, type Outgoing } from '../../../src/core/security/signer.js';
import { MasterClient } from '../../../src/core/api/master/client.js';
import { MetaClient } from '../../../src/core/api/meta/client.js';
import { realTime } from '../../../src/core/time.js';
import { Processes } from '../../support/processes.js';

/* The guard of real processes over real HTTP: requests are made by hand, so that any part of them can be changed after it was signed. */

const secret = 'the secret of this cluster';
const secretsOf = (...texts: [string, ...string[]]): Secrets => {
  const [first, ...others] = texts.map((text) => createSecretKey(Buffer.from(text)));
  return { all: [first, ...others] };
};
const kv = '/.filer/v1/kv/key';

interface Sent {
  method: string;
  target: string;
  headers: Record<string, string>;
  body?: string;
}

describe('The guard', function () {
  this.timeout(30_000);
  const processes = new Processes();
  let master: Master;
  let filer: FilerProcess;
  let other: FilerProcess;

  before(async () => {
    const secrets = secretsOf(secret);
    master = await processes.master({ secrets });
    filer = await processes.filer({ secrets, masters: [master.address] });
    other = await processes.filer({ secrets });
  });
  after(() => processes.stopAll());

  const sign = (
    request: Partial<Outgoing> & { address: string },
    secrets = secretsOf(secret),
    time: Pick<typeof realTime, 'micros' | 'randomHex'> = realTime,
  ): Sent => {
    const whole = { method: 'PUT', target: kv, headers: {}, body: 'value', audience: filer.filer.log.identity.storeId, ...request };
    const { method, target, body } = whole;
    return { method, target, body: body?.toString(), headers: new Signer({ secrets, time }).sign(whole) };
  };
  const toFiler = (more: Partial<Outgoing> = {}, ...rest: [Secrets?, Pick<typeof realTime, 'micros' | 'randomHex'>?]): Sent =>
    sign({ address: filer.address, ...more }, ...rest);
  /** Status, and the reason of the refusal. */
  const send = (to: { readonly address: string }, { method, target, headers, body }: Sent): Promise<[number, unknown]> =>
    new Promise((resolve, reject) => {
      const [host, port] = to.address.split(':');
      request({ host, port, method, path: target, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve([answer.statusCode ?? 0, text === '' ? null : ((JSON.parse(text) as { reason?: string }).reason ?? null)]));
      })
        .on('error', reject)
        .end(body);
    });
  const shifted = (seconds: number) => ({ ...realTime, micros: () => realTime.micros() + seconds * 1e6 });

  it('of a filer lets a signed request through', async () => {
    expect(await send(filer, toFiler())).to.deep.equal([204, null]);
    expect(await send(filer, toFiler({ method: 'GET', target: '/.filer/v1/peers', body: undefined }))).to.deep.equal([200, null]);
  });

  it('refuses a request without a signature', async () => {
    expect(await send(filer, { method: 'GET', target: '/.filer/v1/store', headers: {} })).to.deep.equal([401, 'missing']);
    expect(await send(filer, { method: 'PUT', target: kv, headers: {}, body: 'x' })).to.deep.equal([401, 'missing']);
  });

  it('refuses another secret', async () => expect(await send(filer, toFiler({}, secretsOf('another secret than that')))).to.deep.equal([401, 'mismatch']));

  it('refuses a changed body', async () => expect(await send(filer, { ...toFiler(), body: 'Value' })).to.deep.equal([401, 'body']));

  it('refuses a changed method', async () =>
    expect(await send(filer, { ...toFiler({ method: 'GET', body: undefined }), method: 'DELETE' })).to.deep.equal([401, 'mismatch']));

  it('refuses a changed target, be it only in the query', async () => {
    expect(await send(filer, { ...toFiler(), target: `${kv}2` })).to.deep.equal([401, 'mismatch']);
    expect(await send(filer, { ...toFiler(), target: `${kv}?a=b` })).to.deep.equal([401, 'mismatch']);
  });

  it('refuses a header of a caller that was changed or added', async () => {
    const signed = toFiler();
    expect(await send(filer, { ...signed, headers: { ...signed.headers, 'Filer-Report': '0123456789abcdef:9' } })).to.deep.equal([401, 'mismatch']);
  });

  it('refuses what was signed for another filer', async () => {
    const captured = toFiler();
    expect(await send(other, captured)).to.deep.equal([401, 'audience']);
    // It was good where it was meant for.
    expect(await send(filer, captured)).to.deep.equal([204, null]);
  });

  it('refuses an old date and one from the future', async () => {
    for (const seconds of [-62, 62]) expect(await send(filer, toFiler({}, undefined, shifted(seconds)))).to.deep.equal([401, 'date']);
  });

  it('refuses the same request a second time', async () => {
    const once = toFiler();
    expect(await send(filer, once)).to.deep.equal([204, null]);
    expect(await send(filer, once)).to.deep.equal([401, 'nonce']);
  });

  it('changes nothing by what it refuses', async () => {
    const http = new HttpClient({ connections: 1, signer: new Signer({ secrets: secretsOf(secret), time: realTime }) });
    try {
      await send(filer, toFiler({ body: 'kept' }));
      await send(filer, { ...toFiler(), body: 'Value' });
      const audience = filer.filer.log.identity.storeId;
      expect((await http.request({ address: filer.address, method: 'GET', path: kv, audience })).text()).to.equal('kept');
    } finally {
      await http.close();
    }
  });

  it('leaves health and tree open', async () => {
    for (const target of ['/healthz', '/metrics', '/']) {
      const answer = await processes.http.request({ address: filer.address, method: 'GET', path: target });
      expect(answer.status).to.equal(200);
    }
    expect((await processes.http.request({ address: filer.address, method: 'PUT', path: '/a.txt', body: 'a' })).status).to.equal(201);
  });

  describe('of a master', () => {
    const list = '/cluster/filers';
    const toMaster = (more: Partial<Outgoing> = {}): Sent =>
      sign({ address: master.address, method: 'GET', target: list, body: undefined, audience: undefined, ...more });

    it('lets a signed request through and refuses any other', async () => {
      expect(await send(master, toMaster())).to.deep.equal([200, null]);
      const { headers } = toMaster();
      const once = toMaster();
      await send(master, once);
      expect([
        await send(master, { method: 'GET', target: list, headers: {} }),
        await send(master, { method: 'GET', target: '/cluster/status', headers: {} }),
        await send(master, { method: 'GET', target: `${list}?group=x`, headers }),
        await send(master, { method: 'DELETE', target: list, headers }),
        await send(master, toMaster({ audience: filer.filer.log.identity.storeId })),
        await send(master, once),
      ]).to.deep.equal([
        [401, 'missing'],
        [401, 'missing'],
        [401, 'mismatch'],
        [405, null],
        [401, 'audience'],
        [401, 'nonce'],
      ]);
    });

    it('takes registrations whose body is the one that was signed', async () => {
      const origin = randomBytes(8).toString('hex');
      const signed = sign({ address: master.address, target: `${list}/${origin}`, body: '{"address":"127.0.0.1:1"}', audience: undefined });
      expect(await send(master, { ...signed, body: '{"address":"127.0.0.1:2"}' })).to.deep.equal([401, 'body']);
    });
  });

  it('lets clients in that have the secret, and they say why others are not', async () => {
    const good = new HttpClient({ connections: 2, signer: new Signer({ secrets: secretsOf(secret), time: realTime }) });
    try {
      expect((await new MetaClient(good, filer.address).peers()).origin).to.equal(filer.filer.log.identity.origin);
      expect((await new MasterClient(good, master.address).list('')).members).to.have.length(1);
      const refused = await new MetaClient(processes.http, filer.address).info().catch((error: unknown) => error);
      expect(refused).to.include({ code: 'SIGNATURE_INVALID', exit: 4, message: 'this must be signed; start the caller with --secretFile' });
    } finally {
      await good.close();
    }
  });

  it('asks for a signature at every route of replication and membership, and nowhere else', () => {
    for (const { path, role } of [...filer.routes, ...master.routes]) {
      const isSigned = role === 'peer' || role === 'admin';
      expect({ path, isSigned }).to.deep.equal({ path, isSigned: /^\/(\.filer|cluster)\//.test(path) });
    }
    expect(filer.routes.filter(({ firstContact }) => firstContact).map(({ path }) => path)).to.deep.equal(['/.filer/v1/store']);
  });
});
