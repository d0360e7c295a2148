import { expect } from 'chai';
import { checkAddress, isLoopback } from '../../../src/core/cluster/registered-address.js';
import { type FilerError } from '../../../src/core/errors.js';

type Verdict = 'always' | 'never' | 'on loopback only';

describe('registered address', () => {
  const cases: [address: string, accepted: Verdict][] = [
    ['10.0.0.1:8888', 'always'],
    ['filer-1.example:8888', 'always'],
    ['my_container:80', 'always'],
    ['[2001:db8::1]:8888', 'always'],
    ['127.0.0.1:8888', 'on loopback only'],
    ['127.9.9.9:8888', 'on loopback only'],
    ['localhost:8888', 'on loopback only'],
    ['a.LOCALHOST:8888', 'on loopback only'],
    ['[::1]:8888', 'on loopback only'],
    ['[::ffff:127.0.0.1]:8888', 'on loopback only'],
    ['0.0.0.0:8888', 'never'],
    ['[::]:8888', 'never'],
    ['169.254.169.254:80', 'never'],
    ['[::ffff:169.254.169.254]:80', 'never'],
    ['[fe80::1]:8888', 'never'],
    ['224.0.0.1:8888', 'never'],
    ['[ff02::1]:8888', 'never'],
    ['255.255.255.255:8888', 'never'],
    ['10.0.0.1', 'never'],
    ['10.0.0.1:0', 'never'],
    ['10.0.0.1:65536', 'never'],
    ['10.0.0.1:8888/path', 'never'],
    ['user@host:8888', 'never'],
    ['http://host:8888', 'never'],
    ['host:8888?x', 'never'],
    ['2001:db8::1:8888', 'never'],
    ['127.1:8888', 'never'],
    ['2130706433:8888', 'never'],
    ['0x7f.0.0.0x1:8888', 'never'],
    ['ho st:8888', 'never'],
    ['-host:8888', 'never'],
    ['host\r\n:8888', 'never'],
    [':8888', 'never'],
    ['', 'never'],
  ];
  const accepts = (address: string, loopbackAllowed: boolean): boolean => {
    try {
      checkAddress(address, loopbackAllowed);
      return true;
    } catch (error) {
      expect((error as FilerError).code).to.equal('PARAMETER_INVALID');
      return false;
    }
  };
  for (const [address, accepted] of cases) {
    it(`${JSON.stringify(address)} is accepted ${accepted}`, () => {
      expect([accepts(address, true), accepts(address, false)]).to.deep.equal([accepted !== 'never', accepted === 'always']);
    });
  }

  it('is on loopback by address or name', () => {
    expect(['127.0.0.1', '::1', 'localhost', '10.0.0.1', 'example'].map(isLoopback)).to.deep.equal([true, true, true, false, false]);
  });
});
