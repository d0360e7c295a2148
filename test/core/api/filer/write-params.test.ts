import { expect } from 'chai';
import { isAppend, readMode, readMtime, readTagNames, readTransfer, readTtl, refuseUnsupported } from '../../../../src/core/api/filer/write-params.js';
import { Query } from '../../../../src/core/http/params.js';

describe('parameters of a write', () => {
  for (const [text, seconds] of [
    ['', undefined],
    ['ttl=', undefined],
    ['ttl=0', 0],
    ['ttl=5', 300],
    ['ttl=5m', 300],
    ['ttl=2h', 7200],
    ['ttl=3d', 259_200],
    ['ttl=1w', 604_800],
    ['ttl=1M', 2_592_000],
    ['ttl=1y', 31_536_000],
    ['ttl=300m', 18_000],
  ] as const) {
    it(`"${text}" is a life of ${seconds} s`, () => expect(readTtl(new Query(text))).to.equal(seconds));
  }

  for (const text of ['ttl=x', 'ttl=1s', 'ttl=-1m', 'ttl=1.5h', 'ttl=69y', 'ttl=99999999999']) {
    it(`"${text}" is refused`, () =>
      expect(() => readTtl(new Query(text)))
        .to.throw('ttl')
        .with.property('code', 'PARAMETER_INVALID'));
  }

  it('reads mode as octal', () => {
    expect(readMode(new Query('mode=0644'))).to.equal(0o644);
    expect(readMode(new Query('mode=755'))).to.equal(0o755);
    expect(readMode(new Query(''))).to.equal(undefined);
  });

  it('reads the time of the last change to the nanosecond', () => {
    expect(readMtime(new Query(''))).to.equal(undefined);
    expect(readMtime(new Query('mtime=2001-02-03T04:05:06.000000789Z'))).to.deep.equal({ seconds: 981_173_106, nanos: 789 });
    expect(readMtime(new Query('mtime=2001-02-03T04:05:06%2B01:00'))).to.deep.equal({ seconds: 981_169_506, nanos: 0 });
    expect(readMtime(new Query('mtime=981173106000007'))).to.deep.equal({ seconds: 981_173_106, nanos: 7000 });
    for (const text of ['mtime=', 'mtime=yesterday', 'mtime=1969-12-31T23:59:59Z', 'mtime=-1'])
      expect(() => readMtime(new Query(text)), text)
        .to.throw('mtime')
        .with.property('code', 'PARAMETER_INVALID');
  });

  it('reads what is moved or copied, one of the two', () => {
    expect(readTransfer(new Query('mv.from=/a//b/'))).to.deep.equal({ kind: 'move', from: '/a/b', overwrite: true });
    expect(readTransfer(new Query('cp.from=/a'))).to.deep.equal({ kind: 'copy', from: '/a', overwrite: false });
    expect(readTransfer(new Query('cp.from=/a&overwrite=true'))).to.deep.equal({ kind: 'copy', from: '/a', overwrite: true });
    expect(readTransfer(new Query('overwrite=true'))).to.equal(null);
    expect(() => readTransfer(new Query('mv.from=/a&cp.from=/b'))).to.throw('one of them');
  });

  it('knows one operation', () => {
    expect(['op=append', 'op=', ''].map((text) => isAppend(new Query(text)))).to.deep.equal([true, false, false]);
    expect(() => isAppend(new Query('op=prepend')))
      .to.throw('op')
      .with.property('code', 'PARAMETER_INVALID');
  });

  it('reads the names of tags', () => {
    expect(['tagging', 'tagging=', 'tagging=A', 'tagging=A,,b-c'].map((text) => readTagNames(new Query(text)))).to.deep.equal([
      null,
      null,
      ['A'],
      ['A', 'b-c'],
    ]);
  });

  for (const text of ['mode=', 'mode=rw', 'mode=0o644', 'mode=888', 'mode=1777', 'mode=-1']) {
    it(`"${text}" is refused`, () =>
      expect(() => readMode(new Query(text)))
        .to.throw('mode')
        .with.property('code', 'PARAMETER_INVALID'));
  }

  for (const text of ['op=append&offset=5', 'cp.from=/a&dataOnly=true', 'cp.from=/a&copy.srcMtime=1']) {
    it(`"${text}" is refused, not ignored`, () =>
      expect(() => refuseUnsupported(new Query(text)))
        .to.throw('not supported')
        .with.property('code', 'PARAMETER_INVALID'));
  }
});
