import { expect } from 'chai';
import { contentTypeOf, keptHeaders, keptMime, returnedHeaders } from '../../../../src/core/api/filer/file-headers.js';
import { parsePath } from '../../../../src/core/entry/path.js';

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

describe('headers of a file', () => {
  it('are kept if they say something of the content, under the names Go gives them', () => {
    const sent = {
      'seaweed-my-tag': 'ü',
      'cache-control': 'no-cache',
      expires: '0',
      'content-disposition': 'inline',
      'content-type': 'x/y',
      cookie: 'secret',
      authorization: 'secret',
    };
    expect(keptHeaders(sent)).to.deep.equal({
      'Seaweed-My-Tag': base64('ü'),
      'Cache-Control': base64('no-cache'),
      Expires: base64('0'),
      'Content-Disposition': base64('inline'),
    });
  });

  it('come back as they were', () => {
    const extended = keptHeaders({ 'seaweed-a': 'caf\u00e9', expires: 'never' });
    expect(returnedHeaders({ name: 'a', isDirectory: false, extended })).to.deep.equal({ 'Seaweed-A': 'caf\u00e9', Expires: 'never' });
  });

  it('never let an entry that came by replication set others, or end the line', () => {
    const extended = {
      'Set-Cookie': base64('a=b'),
      Location: base64('/x'),
      'xattr-a': base64('b'),
      'Seaweed-A': base64('x\r\nSet-Cookie: a=b'),
      'Seaweed-B\r\nX': base64('y'),
    };
    expect(returnedHeaders({ name: 'a', isDirectory: false, extended })).to.deep.equal({});
  });

  it('give the kept type, else that of the extension, else bytes', () => {
    const typed = (name: string, mime?: string) => contentTypeOf(parsePath(name), { name: '', isDirectory: false, attributes: { mime } });
    expect(typed('/a.txt', 'text/html; charset=utf-8')).to.equal('text/html; charset=utf-8');
    expect(typed('/a.txt')).to.equal('text/plain');
    expect(typed('/a.json', 'x\r\ny')).to.equal('application/json');
    expect(typed('/a')).to.equal('application/octet-stream');
    expect(typed('/a.d/x')).to.equal('application/octet-stream');
  });

  it('keep no type that says nothing', () => {
    expect([undefined, 'application/octet-stream', 'Application/Octet-Stream', 'text/css'].map(keptMime)).to.deep.equal(['', '', '', 'text/css']);
  });
});
