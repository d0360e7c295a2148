import { expect } from 'chai';
import fc from 'fast-check';
import {
  callerFromHeaders,
  callerToHeaders,
  feedFromHeaders,
  feedToHeaders,
  formatHave,
  parseHave,
  type ReceivedHeaders,
} from '../../../../src/core/api/meta/protocol.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { Caller } from '../../../../src/core/replication/peer.js';
import { anyOrigin, anyPosition, anyVersion } from '../../../support/arbitrary.js';

/** Headers as they arrive: names in lower case. */
const received = (headers: Record<string, string>): ReceivedHeaders =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const anyHash = fc.stringMatching(/^[0-9a-f]{12}$/);
const anyRun = fc.oneof(fc.constant(''), anyHash);
const anyHave = fc
  .dictionary(anyOrigin, fc.record({ seq: fc.integer({ min: 0, max: 2 ** 52 }), hash: anyHash, run: anyRun }, { noNullPrototype: true }))
  .map((record) => new Map(Object.entries(record)));
const anyCaller: fc.Arbitrary<Caller> = fc.record({
  origin: anyOrigin,
  address: fc.constantFrom('127.0.0.1:8888', 'filer-a.example:1', '[2001:db8::1]:65535'),
  clusterId: fc.option(anyOrigin),
  have: anyHave,
  report: fc.option(anyPosition),
  digest: fc.oneof(fc.constant(''), anyOrigin),
  former: fc.array(anyOrigin, { maxLength: 3 }),
  lineage: fc.option(anyOrigin),
});

const refusal = (headers: Record<string, string>): FilerError => {
  try {
    callerFromHeaders(received(headers));
  } catch (error) {
    return error as FilerError;
  }
  throw new Error('was taken');
};

describe('protocol of the replication API', () => {
  it('says who calls, and reads the same back', () => {
    fc.assert(
      fc.property(anyCaller, (caller) => {
        expect(callerFromHeaders(received(callerToHeaders(caller)))).to.deep.equal(caller);
      }),
    );
  });

  it('takes a request without Filer-Origin for a reader that is no peer', () => {
    expect(callerFromHeaders({ 'filer-address': '127.0.0.1:1', 'filer-have': 'x' })).to.equal(null);
  });

  it('keeps the feed headers over the wire', () => {
    const anyFeed = fc.record({
      next: fc.stringMatching(/^[0-9a-f]{24}$/),
      position: anyPosition,
      head: anyPosition,
      digest: anyOrigin,
      time: anyVersion,
      report: fc.option(anyPosition),
      upToDate: fc.boolean(),
      ended: fc.boolean(),
    });
    fc.assert(
      fc.property(anyFeed, (feed) => {
        expect(feedFromHeaders(received(feedToHeaders(feed)))).to.deep.equal(feed);
      }),
    );
  });

  it('writes what is had sorted, zeros included, and the run only where it is known', () => {
    const have = new Map([
      ['3333333333333333', { seq: 9, hash: '333333333333', run: '' }],
      ['2222222222222222', { seq: 0, hash: '000000000000', run: '' }],
      ['1111111111111111', { seq: 7, hash: 'abcdef012345', run: '0123456789ab' }],
    ]);
    const text = '1111111111111111:7:abcdef012345:0123456789ab~2222222222222222:0:000000000000~3333333333333333:9:333333333333';
    expect(formatHave(have)).to.equal(text);
    expect(parseHave(text)).to.deep.equal(have);
    expect(parseHave('')).to.deep.equal(new Map());
  });

  it('names the header that is wrong', () => {
    const nobody = { clusterId: null, have: new Map(), report: null, digest: '', former: [], lineage: null };
    const good = callerToHeaders({ origin: '1'.repeat(16), address: '127.0.0.1:1', ...nobody });
    const wrong: [name: string, value: string][] = [
      ['Filer-Origin', 'me'],
      ['Filer-Address', ''],
      ['Filer-Address', '169.254.169.254:80'],
      ['Filer-Address', 'http://127.0.0.1:1/'],
      ['Filer-Cluster', 'x'],
      ['Filer-Former', '1111111111111111,,'],
      ['Filer-Have', '1111111111111111:1'],
      ['Filer-Have', '1111111111111111:1:abcdef012345~1111111111111111:1:abcdef012345'],
      ['Filer-Have', '1111111111111111:1:abcdef012345:'],
      ['Filer-Have', '1111111111111111:1:abcdef012345:0123456789AB'],
      ['Filer-Have', '1111111111111111:1:abcdef012345:0123456789ab:0123456789ab'],
      ['Filer-Have', `1111111111111111:${'9'.repeat(17)}:abcdef012345`],
      ['Filer-Report', '1:2'],
      ['Filer-Digest', 'abc'],
    ];
    for (const [name, value] of wrong) {
      const error = refusal({ ...good, [name]: value });
      expect(error.code, name).to.equal('PARAMETER_INVALID');
      expect(error.message).to.include(name);
    }
  });

  it('refuses an answer without its headers as not ours', () => {
    expect(() => feedFromHeaders({})).to.throw(FilerError, /Filer-Time/);
    expect(() => feedFromHeaders({ 'filer-time': '1' })).to.throw(FilerError, /Filer-Position: is missing/);
    expect(() => feedFromHeaders({ 'filer-time': '1', 'filer-position': 'x' })).to.throw(FilerError, /Filer-Position/);
  });
});
