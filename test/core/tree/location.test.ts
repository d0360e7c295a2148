import { expect } from 'chai';
import { formatLocation, parseLocation, parseUrlLocation } from '../../../src/core/tree/location.js';

describe('a location', () => {
  const cases: [text: string, address: string, path: string, isInto: boolean][] = [
    ['http://h:1/a/b', 'h:1', '/a/b', false],
    ['http://h:1/a/b/', 'h:1', '/a/b', true],
    ['http://h/a', 'h:8888', '/a', false],
    ['http://h:1', 'h:1', '/', true],
    ['http://[::1]:1/', '[::1]:1', '/', true],
    ['HTTP://h:1/a%20b%3F', 'h:1', '/a b?', false],
    ['/a/b', 'f:2', '/a/b', false],
    ['/a/b/', 'f:2', '/a/b', true],
    ['/', 'f:2', '/', true],
    ['a/b', 'f:2', '/a/b', false],
    ['/100%?#', 'f:2', '/100%?#', false],
  ];
  for (const [text, address, path, isInto] of cases) {
    it(`is read from ${text}`, () => expect(parseLocation(text, 'f:2', 'path')).to.deep.equal({ address, path, isInto }));
  }

  for (const text of ['https://h/a', 'http://h:1/a?b', 'http://h:1/a#b', 'http://h:1/%2F', 'http://h:1/%ff', 'http://h:99999/', '/a/../b', '/a\u0000']) {
    it(`is not read from ${JSON.stringify(text)}`, () =>
      expect(() => parseLocation(text, 'f:2', 'path'))
        .to.throw('path: ')
        .with.property('code', 'PARAMETER_INVALID'));
  }

  it('that needs an address of its own is no plain path', () => {
    expect(parseUrlLocation('http://h:1/a/', 'target').path).to.equal('/a');
    expect(() => parseUrlLocation('/a/', 'target')).to.throw("target: '/a/' is not an address");
  });

  it('is shown with names as they are', () =>
    expect(formatLocation({ address: 'h:1', path: parseLocation('http://h:1/a%20b', '', 'x').path })).to.equal('http://h:1/a b'));
});
