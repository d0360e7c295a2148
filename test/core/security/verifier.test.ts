import { createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import { FilerError } from '../../../src/core/errors.js';
import type { Secrets } from '../../../src/core/security/secret-file.js';
import { Signer, type Outgoing } from '../../../src/core/security/signer.js';
import { Verifier, type Incoming, type VerifierOptions } from '../../../src/core/security/verifier.js';
import { ManualTime } from '../../support/manual-time.js';

const secrets = (...texts: [string, ...string[]]): Secrets => ({
  all: texts.map((text) => createSecretKey(Buffer.from(text))) as [ReturnType<typeof createSecretKey>],
});
const old = 'the secret before';
const now = 'the secret by now';
const clusterId = 'c'.repeat(16);
const storeId = 'a'.repeat(16);
const target = '/.filer/v1/kv/key';

describe('Verifier', () => {
  let time: ManualTime;

  beforeEach(async () => {
    time = new ManualTime();
  });

  const verifierOf = (options: Partial<VerifierOptions> = {}) =>
    new Verifier({ secrets: secrets(now), time, clusterId: () => clusterId, storeId: () => storeId, ...options });
  const sign = (request: Partial<Outgoing> = {}, from: { secrets?: Secrets; clusterId?: string | null } = {}): Record<string, string> => {
    const signer = new Signer({ secrets: from.secrets ?? secrets(now), time, clusterId: () => (from.clusterId === undefined ? clusterId : from.clusterId) });
    return signer.sign({ method: 'PUT', target, address: '127.0.0.1:8888', headers: {}, body: 'body', audience: storeId, ...request });
  };
  /** As node:http hands it over. */
  const received = (headers: Record<string, string>, more: Partial<Incoming> = {}): Incoming => ({
    method: 'PUT',
    target,
    headers: { host: '127.0.0.1:9999', ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])) },
    firstContact: false,
    ...more,
  });
  const refusalOf = (call: () => unknown): FilerError => {
    try {
      call();
    } catch (error) {
      if (error instanceof FilerError) return error;
    }
    throw new Error('it was accepted');
  };
  const reasonOf = (call: () => unknown): unknown => {
    const { code, fields } = refusalOf(call);
    return code === 'SIGNATURE_INVALID' ? fields['reason'] : code;
  };

  it('accepts what was signed, and the body that was signed with it', () => {
    const check = verifierOf().verify(received(sign()));
    check(Buffer.from('body'));
    expect(reasonOf(() => check(Buffer.from('bodY')))).to.equal('body');
    expect(reasonOf(() => check(Buffer.alloc(0)))).to.equal('body');
    const empty = verifierOf().verify(received(sign({ method: 'GET', body: undefined }), { method: 'GET' }));
    empty(Buffer.alloc(0));
    expect(reasonOf(() => empty(Buffer.from('x')))).to.equal('body');
  });

  it('accepts a request signed with any of its secrets, and signs with the first', () => {
    const both = secrets(now, old);
    verifierOf({ secrets: both }).verify(received(sign({}, { secrets: secrets(old) })));
    verifierOf({ secrets: both }).verify(received(sign({}, { secrets: secrets(now) })));
    expect(reasonOf(() => verifierOf({ secrets: secrets(old) }).verify(received(sign({}, { secrets: both }))))).to.equal('mismatch');
  });

  describe('refuses', () => {
    const changed: [what: string, reason: string, request: () => Incoming][] = [
      ['a request without a signature', 'missing', () => received({})],
      ['another scheme', 'malformed', () => received({ ...sign(), Authorization: 'Basic eDp5' })],
      ['a cut signature', 'malformed', () => received({ ...sign(), Authorization: sign()['Authorization']!.slice(0, -1) })],
      ['a signature without a date', 'malformed', () => received({ ...sign(), 'Filer-Date': '' })],
      ['a date that is none', 'malformed', () => received({ ...sign(), 'Filer-Date': '2026-99-99T00:00:00Z' })],
      ['a short nonce', 'malformed', () => received({ ...sign(), 'Filer-Nonce': 'x' })],
      ['another secret', 'mismatch', () => received(sign({}, { secrets: secrets(old) }))],
      ['another method', 'mismatch', () => received(sign(), { method: 'DELETE' })],
      ['another target', 'mismatch', () => received(sign(), { target: `${target}2` })],
      ['another date', 'mismatch', () => received({ ...sign(), 'Filer-Date': new Date(time.micros() / 1000 + 1).toISOString() })],
      ['another nonce', 'mismatch', () => received({ ...sign(), 'Filer-Nonce': '0'.repeat(32) })],
      ['another hash of the body', 'mismatch', () => received({ ...sign(), 'Filer-Content-SHA256': '0'.repeat(64) })],
      ['another audience', 'mismatch', () => received({ ...sign({ audience: 'b'.repeat(16) }), 'Filer-Audience': storeId })],
      ['another cluster', 'mismatch', () => received({ ...sign({}, { clusterId: 'd'.repeat(16) }), 'Filer-Cluster': clusterId })],
      ['a header that the caller did not send', 'mismatch', () => received({ ...sign(), 'Filer-Report': 'o:1' })],
      ['what was signed for another store', 'audience', () => received(sign({ audience: 'b'.repeat(16) }))],
      ['what was signed for another host', 'mismatch', () => received(sign({ audience: undefined, address: '10.0.0.1:80' }), { firstContact: true })],
      ['what was signed for its Host, after the first contact', 'audience', () => received(sign({ audience: undefined }))],
      ['what was signed for another cluster', 'CLUSTER_MISMATCH', () => received(sign({}, { clusterId: 'd'.repeat(16) }))],
    ];
    for (const [what, reason, request] of changed) it(what, () => expect(reasonOf(() => verifierOf().verify(request()))).to.equal(reason));

    it('a date more than a minute off, naming both times', async () => {
      for (const [seconds, passes] of [
        [-61, false],
        [-60, true],
        [60, true],
        [61, false],
      ] as const) {
        const verifier = verifierOf();
        await time.advance(120_000);
        const here = new Date(time.micros() / 1000).toISOString();
        time.step(seconds * 1e6);
        const request = received(sign());
        const dated = new Date(time.micros() / 1000).toISOString();
        time.step(-seconds * 1e6);
        if (passes) verifier.verify(request);
        else {
          const error = refusalOf(() => verifier.verify(request));
          expect(error.message).to.contain(dated).and.contain(here);
          expect(error.fields).to.deep.equal({ reason: 'date', time: time.micros() });
        }
      }
    });

    it('the second of two equal requests, for as long as its date would pass', async () => {
      const verifier = verifierOf();
      time.step(60e6);
      const request = received(sign());
      time.step(-60e6);
      verifier.verify(request);
      for (let seconds = 0; seconds < 120; seconds += 7) {
        expect(reasonOf(() => verifier.verify(request))).to.equal('nonce');
        await time.advance(7000);
      }
      expect(reasonOf(() => verifier.verify(request))).to.equal('date');
      expect(verifier.refused.get('nonce')).to.equal(18);
    });

    it('what was captured before it started', async () => {
      const early = received(sign());
      await time.advance(5000);
      expect(reasonOf(() => verifierOf().verify(early))).to.equal('date');
    });

    it('what was used at a time to which its clock is set back', async () => {
      const verifier = verifierOf();
      const used = received(sign());
      verifier.verify(used);
      await time.advance(300_000);
      verifier.verify(received(sign()));
      time.step(-300e6);
      expect(reasonOf(() => verifier.verify(used))).to.equal('date');
      // Past that time it goes on, with the clock it has now.
      await time.advance(15_000);
      verifier.verify(received(sign()));
    });

    it('what it could not remember, until there is room again', async () => {
      const verifier = verifierOf({ limits: { signatureWindowMs: 60_000, noncesMax: 2 } });
      verifier.verify(received(sign()));
      verifier.verify(received(sign()));
      expect(reasonOf(() => verifier.verify(received(sign())))).to.equal('OVERLOADED');
      await time.advance(80_000);
      verifier.verify(received(sign()));
    });

    it('saying nothing of a secret, nor of the signature it wants', () => {
      const wanted = sign();
      const error = refusalOf(() => verifierOf().verify(received({ ...wanted, 'Filer-Nonce': 'n'.repeat(32) })));
      expect(JSON.stringify(error.toWire())).not.to.match(/[0-9a-f]{64}|secret by now/);
    });
  });

  it('takes first contact from whoever holds a secret, of whatever cluster', () => {
    verifierOf().verify(received(sign({ audience: undefined }, { clusterId: 'd'.repeat(16) }), { firstContact: true }));
    verifierOf().verify(received(sign({ audience: undefined }, { clusterId: null }), { firstContact: true }));
  });

  it('takes the Host for the audience where there is no store', () => {
    const master = verifierOf({ storeId: null });
    master.verify(received(sign({ audience: undefined })));
    expect(reasonOf(() => master.verify(received(sign())))).to.equal('audience');
  });

  it('takes any cluster until it has one, and a caller that has none', () => {
    verifierOf({ clusterId: () => null }).verify(received(sign({}, { clusterId: 'd'.repeat(16) })));
    verifierOf().verify(received(sign({}, { clusterId: null })));
  });

  it('is asked only where a signature is: the tree and the health of a filer go unsigned', () => {
    expect(['/docs/a', '/healthz', '/metrics', '/'].map((path) => sign({ target: path }))).to.deep.equal([{}, {}, {}, {}]);
  });
});
