import { expect } from 'chai';
import { checkBind } from '../../../src/core/config/bind.js';
import { FilerError } from '../../../src/core/errors.js';

describe('checkBind', () => {
  it('lets loopback pass without a word', () => {
    for (const bind of ['127.0.0.1', '127.8.8.8', '::1', 'localhost', 'LOCALHOST']) expect(checkBind(bind, false, 'kelp filer')).to.equal(null);
  });

  it('refuses everything else and says what to type', () => {
    for (const bind of ['0.0.0.0', '::', '10.0.0.5', 'filer.example', '127.example.com', '']) {
      expect(() => checkBind(bind, false, 'kelp filer --ip=x'))
        .to.throw(FilerError, /type: kelp filer --ip=x --insecure$/)
        .with.property('code', 'USAGE');
    }
  });

  it('warns at every start if it was asked for', () => {
    expect(checkBind('0.0.0.0', true, ''))
      .to.include('0.0.0.0')
      .and.include('--insecure');
  });
});
