import { createHmac, createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import { audienceOfHost, emptyHash, hashOf, signatureOf, type Signed } from '../../../src/core/security/signature.js';

const secret = createSecretKey(Buffer.from('0123456789abcdef'));
const signed: Signed = {
  method: 'GET',
  target: '/.filer/v1/changes?limit=1',
  bodyHash: emptyHash,
  date: '2026-11-22T10:00:00.000Z',
  nonce: '00112233445566778899aabbccddeeff',
  clusterId: '0123456789abcdef',
  audience: 'fedcba9876543210',
  headers: { Host: '127.0.0.1:8888', 'Filer-Report': 'o:1', Authorization: 'x', 'Filer-Date': 'x', 'filer-have': [' a', 'b '], 'Filer-Former': undefined },
};

describe('signatureOf', () => {
  it('is the HMAC-SHA256 of the lines that docs/protocol.md names', () => {
    const text = [
      'Kelp-HMAC-SHA256',
      'GET',
      '/.filer/v1/changes?limit=1',
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '2026-11-22T10:00:00.000Z',
      '00112233445566778899aabbccddeeff',
      '0123456789abcdef',
      'fedcba9876543210',
      'filer-have:a, b',
      'filer-report:o:1',
    ].join('\n');
    expect(signatureOf(signed, secret).toString('hex')).to.equal(createHmac('sha256', '0123456789abcdef').update(text).digest('hex'));
  });

  it('changes with every part and every covered header', () => {
    const others: Partial<Signed>[] = [
      { method: 'HEAD' },
      { target: '/.filer/v1/changes?limit=2' },
      { bodyHash: hashOf('x') },
      { date: '2026-11-22T10:00:00.001Z' },
      { nonce: '10112233445566778899aabbccddeeff' },
      { clusterId: '' },
      { audience: '127.0.0.1' },
      { headers: { ...signed.headers, 'Filer-Report': 'o:2' } },
      { headers: { ...signed.headers, 'filer-new': '' } },
    ];
    const all = [signed, ...others.map((other) => ({ ...signed, ...other }))].map((each) => signatureOf(each, secret).toString('hex'));
    expect(new Set(all).size).to.equal(all.length);
  });

  it('does not cover headers that are added on the way', () => {
    const more = { ...signed, headers: { ...signed.headers, Via: 'proxy', Connection: 'close' } };
    expect(signatureOf(more, secret)).to.deep.equal(signatureOf(signed, secret));
  });
});

describe('audienceOfHost', () => {
  it('is the host without its port', () => {
    expect(['127.0.0.1:80', 'Filer.Example:8888', '[::1]:8888', '[::1]', 'host'].map(audienceOfHost)).to.deep.equal([
      '127.0.0.1',
      'filer.example',
      '[::1]',
      '[::1]',
      'host',
    ]);
  });
});
