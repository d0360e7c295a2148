import { expect } from 'chai';
import { checkBind, type Bind } from '../../../src/core/config/bind.js';
import { FilerError } from '../../../src/core/errors.js';

const at = (bind: string, more: Partial<Bind> = {}): Bind => ({ bind, insecure: false, signed: false, serves: 'tree', line: 'kelp filer --ip=x', ...more });

describe('checkBind', () => {
  it('lets loopback pass without a word', () => {
    for (const bind of ['127.0.0.1', '127.8.8.8', '::1', 'localhost', 'LOCALHOST']) {
      for (const signed of [true, false]) expect(checkBind(at(bind, { signed }))).to.equal(null);
    }
  });

  it('refuses everything else without a secret and says what to type', () => {
    for (const bind of ['0.0.0.0', '::', '10.0.0.5', 'filer.example', '127.example.com', '']) {
      expect(() => checkBind(at(bind)))
        .to.throw(FilerError, /type: kelp filer --ip=x --secretFile=FILE, or --insecure if that network may$/)
        .with.property('code', 'USAGE');
    }
  });

  it('warns at every start if it was asked for', () => {
    expect(checkBind(at('0.0.0.0', { insecure: true })))
      .to.include('0.0.0.0')
      .and.include('--insecure');
  });

  it('says what stays open though requests are signed', () => {
    for (const insecure of [true, false]) {
      expect(checkBind(at('0.0.0.0', { signed: true, insecure }))).to.include('the tree API has neither tokens nor TLS yet');
      expect(checkBind(at('0.0.0.0', { signed: true, insecure, serves: 'list' })))
        .to.include('no TLS yet')
        .and.not.include('tree');
    }
  });
});
