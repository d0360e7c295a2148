import { expect } from 'chai';
import { FilerError, failures, isFailure, messageOf } from '../../src/core/errors.js';

describe('FilerError', () => {
  it('takes status, exit code and retriability from the table', () => {
    const error = new FilerError('LOG_TRIMMED', 'position 12 is gone', { first: 40 });
    expect([error.status, error.exit, error.retriable]).to.deep.equal([410, 1, false]);
    expect(error.toWire()).to.deep.equal({ error: 'position 12 is gone', code: 'LOG_TRIMMED', first: 40 });
  });

  it('comes back from the wire as it was', () => {
    for (const code of Object.keys(failures) as (keyof typeof failures)[]) {
      const error = FilerError.fromWire(new FilerError(code, 'why', { peer: 'a:1' }).toWire(), 'INTERNAL', 'there');
      expect([error.code, error.message, error.fields]).to.deep.equal([code, 'why', { peer: 'a:1' }]);
    }
  });

  it('falls back where the code is unknown', () => {
    for (const code of ['NEW_CODE', 7, undefined, 'constructor', 'toString', '__proto__']) {
      const error = FilerError.fromWire({ error: 'why', code }, 'PEER_UNREACHABLE', 'there');
      expect([error.code, error.status], String(code)).to.deep.equal(['PEER_UNREACHABLE', 502]);
    }
  });

  it('falls back where the answer is no error of ours', () => {
    for (const body of [null, undefined, 'text', 5, [], {}, { error: 5 }]) {
      const error = FilerError.fromWire(body, 'PEER_UNREACHABLE', 'GET http://a');
      expect([error.code, error.message]).to.deep.equal(['PEER_UNREACHABLE', 'GET http://a: the answer carries no JSON error']);
    }
  });
});

describe('isFailure', () => {
  it('knows failures by their codes', () => {
    const error = new FilerError('STORE_FULL', 'full');
    expect([isFailure(error), isFailure(error, 'STORE_FULL'), isFailure(error, 'STORE_FAILED'), isFailure(new Error('full'))]).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('messageOf', () => {
  it('gives the message of anything', () => {
    expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined)]).to.deep.equal(['a', 'b', 'undefined']);
  });
});

describe('the table of failures', () => {
  it('says of every server failure but a bug that it may pass, and of no client failure', () => {
    for (const [code, { status, retriable }] of Object.entries(failures)) {
      if (status >= 500 && !['ADDRESS_IN_USE', 'STORE_TOO_NEW'].includes(code)) expect(retriable, code).to.equal(true);
      if (status === 400 || status === 404 || (status >= 410 && status < 429)) expect(retriable, code).to.equal(false);
    }
  });
});
