import { createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import { askFiler } from '../../../../src/core/api/meta/ask-filer.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { Secrets } from '../../../../src/core/security/secret-file.js';
import { Signer } from '../../../../src/core/security/signer.js';
import { realTime } from '../../../../src/core/time.js';
import { freePort } from '../../../support/free-port.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';
import { Proxy } from '../../../support/proxy.js';
import { waitFor } from '../../../support/wait-for.js';

describe('askFiler', () => {
  const processes = new Processes();
  const secrets: Secrets = { all: [createSecretKey(Buffer.from('the secret of this cluster'))] };
  const signer = new Signer({ secrets, time: realTime });
  let filer: FilerProcess;
  let way: Proxy;

  before(async () => {
    filer = await processes.filer({ secrets });
    way = await Proxy.before(Number(filer.address.split(':')[1]));
  });
  after(async () => {
    await way.close();
    await processes.stopAll();
  });

  const closed = () => waitFor(() => way.open === 0, { what: 'the connections to be closed' });

  it('gives what the filer answers to the question, signed, and closes its connections', async () => {
    const { origin } = await askFiler(way.address, signer, async (client) => {
      await client.info();
      expect(way.open).to.be.above(0);
      return client.peers();
    });
    expect(origin).to.equal(filer.filer.log.identity.origin);
    await closed();
  });

  it('closes them when the question fails too, and says why', async () => {
    expect((await failureOf(() => askFiler(way.address, signer, (client) => client.retryQuarantined('none')))).code).to.equal('PARAMETER_INVALID');
    expect((await failureOf(() => askFiler(way.address, undefined, (client) => client.peers()))).code).to.equal('SIGNATURE_INVALID');
    await closed();
  });

  it('names the address at which nobody is', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const failure = await failureOf(() => askFiler(nobody, undefined, (client) => client.quarantine()));
    expect(failure).to.deep.include({ code: 'PEER_UNREACHABLE', message: `cannot reach ${nobody} (connection refused)` });
  });
});
