import { expect } from 'chai';
import { formatAddress, parseAddress } from '../../../src/core/config/address.js';
import { isFailure } from '../../../src/core/errors.js';

describe('parseAddress', () => {
  const cases: [string, string][] = [
    ['localhost', 'localhost:8888'],
    ['localhost:9999', 'localhost:9999'],
    ['10.0.0.7:80', '10.0.0.7:80'],
    ['Filer-A.Example', 'filer-a.example:8888'],
    ['my_service:1', 'my_service:1'],
    ['[::1]', '[::1]:8888'],
    ['[FE80::1]:65535', '[fe80::1]:65535'],
    ['http://localhost:8080', 'localhost:8080'],
    ['HTTP://localhost/', 'localhost:8888'],
    [' localhost:8080 ', 'localhost:8080'],
  ];
  for (const [text, address] of cases) {
    it(`reads '${text}' as ${address}`, () => {
      expect(formatAddress(parseAddress(text, '--filer', 8888))).to.equal(address);
    });
  }

  for (const text of ['', ':8888', 'a:0', 'a:65536', 'a:x', 'a:1:2', '::1', '[::1', '[host]:1', 'a b', 'http://a/b', 'https://a', 'user@host', '-a']) {
    it(`refuses ${JSON.stringify(text)} and names the flag`, () => {
      expect(() => parseAddress(text, '--filer', 8888)).to.throw(/^--filer: '.*' is not an address; write host:port, such as localhost:8888$/);
    });
  }

  it('fails with PARAMETER_INVALID', () => {
    try {
      parseAddress('?', '--master', 9333);
      expect.fail('it was read');
    } catch (error) {
      expect(isFailure(error, 'PARAMETER_INVALID')).to.equal(true);
    }
  });
});
