import { expect } from 'chai';
import fc from 'fast-check';
import { askedHeaders, wantsHtml } from '../../../../src/core/api/filer/answer-headers.js';
import type { FullPath } from '../../../../src/core/entry/path.js';
import { Query } from '../../../../src/core/http/params.js';
import { anyPathBelowRoot } from '../../../support/arbitrary.js';
import { LocalTree } from '../../../support/local-tree.js';
import { refusalOf } from '../../../support/refusal-of.js';

const path = '/dir/file' as FullPath;
const asked = (query: string, of = path) => askedHeaders(new Query(query), of);

/** The two names of an attachment, as a browser that knows RFC 6266 reads them. */
function namesOf(disposition: string): { plain: string; encoded: string | null } {
  // RFC 8187: what an ext-value may hold unescaped.
  const [, plain, , encoded] =
    /^attachment; filename="([\x20-\x21\x23-\x5b\x5d-\x7e]*)"(; filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+))?$/.exec(disposition) ?? [];
  if (plain === undefined) throw new Error(`no attachment: ${disposition}`);
  return { plain, encoded: encoded === undefined ? null : decodeURIComponent(encoded) };
}

describe('askedHeaders', () => {
  it('gives nothing where nothing is asked for', () => {
    for (const query of ['', 'dl=false', 'response-expires=', 'metadata=true', 'response-set-cookie=a', 'response-content-length=1', 'response-location=/'])
      expect(asked(query), query).to.deep.equal({});
  });

  it('gives each of the headers that may be asked for, its value as it is', () => {
    const values = {
      'Content-Type': 'text/html; charset="utf-8"',
      'Cache-Control': 'max-age=60, public',
      'Content-Disposition': 'inline; filename="a b"',
      'Content-Encoding': 'gzip',
      'Content-Language': 'de',
      Expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
    };
    for (const [name, value] of Object.entries(values))
      expect(asked(`response-${name.toLowerCase()}=${encodeURIComponent(value)}`)).to.deep.equal({ [name]: value });
    expect(asked(`response-expires=${'x'.repeat(1024)}`)['Expires']).to.have.length(1024);
  });

  it('refuses a value that no header may have, naming the parameter and what it must be', () => {
    for (const value of ['a%0d%0aSet-Cookie:x', '%00', '%C3%A9', '%7F', '%09', 'x'.repeat(1025)]) {
      const parameter = 'response-content-type';
      expect(
        refusalOf(() => asked(`${parameter}=${value}`)),
        value,
      ).to.deep.include({ code: 'PARAMETER_INVALID', message: `${parameter}: must be at most 1024 printable ASCII characters`, fields: { parameter } });
    }
    expect(refusalOf(() => asked('response-expires=1&response-expires=2')).message).to.match(/^response-expires: stands more than once/);
    expect(refusalOf(() => asked('dl=perhaps')).message).to.match(/^dl: /);
  });

  it('names what is saved after the entry, whatever its name', () => {
    expect(asked('dl')).to.deep.equal({ 'Content-Disposition': 'attachment; filename="file"' });
    expect(asked('dl=true', '/"é%.txt' as FullPath)['Content-Disposition']).to.equal(`attachment; filename="___.txt"; filename*=UTF-8''%22%C3%A9%25.txt`);
    fc.assert(
      fc.property(anyPathBelowRoot, (any) => {
        const name = any.slice(any.lastIndexOf('/') + 1);
        const { plain, encoded } = namesOf(asked('dl', any)['Content-Disposition'] as string);
        expect(encoded ?? plain).to.equal(name);
        // For those who know one form only.
        expect([...plain]).to.have.length([...name].length);
      }),
    );
  });

  it('lets a disposition that is asked for stand before the name', () => {
    expect(asked('dl=true&response-content-disposition=inline')).to.deep.equal({ 'Content-Disposition': 'inline' });
  });

  it('replaces what a file has of its own, and nothing that keeps the reader safe', async () => {
    const tree = await LocalTree.start();
    try {
      await tree.put('/dir/file', 'hello', { 'Content-Type': 'text/css', Expires: 'never' });
      const { text, headers } = await tree.get('/dir/file?response-content-type=text/html&response-cache-control=no-store&response-expires=0&dl=true');
      expect(text).to.equal('hello');
      expect(headers).to.include({
        'content-type': 'text/html',
        'cache-control': 'no-store',
        expires: '0',
        'content-disposition': 'attachment; filename="file"',
      });
      expect(headers).to.include({ 'x-content-type-options': 'nosniff', 'content-security-policy': "sandbox; default-src 'none'" });
      expect((await tree.get('/dir/file?response-content-type=a%0d%0aSet-Cookie:x')).json).to.include({ code: 'PARAMETER_INVALID' });
      expect((await tree.get('/dir/file')).headers).to.include({ 'content-type': 'text/css', expires: 'never' });
    } finally {
      await tree.stop();
    }
  });
});

describe('wantsHtml', () => {
  const cases: [accept: string | undefined, html: boolean][] = [
    ['text/html,application/xhtml+xml,*/*;q=0.8', true],
    ['text/html', true],
    ['TEXT/HTML; Q=0.5', true],
    ['application/json, text/html', true],
    ['text/html;level=1;q=0.4, application/json;q=0.3', true],
    ['text/html ; q=0.4 , application/json;q=0.5', false],
    ['application/json, text/html;q=0.5', false],
    ['text/html;q=0', false],
    ['text/html;q=none', false],
    ['text/html;q=', false],
    ['text/htmlx, xtext/html', false],
    ['text/*', false],
    ['*/*', false],
    ['application/json', false],
    [',;,', false],
    ['', false],
    [undefined, false],
  ];
  for (const [accept, html] of cases)
    it(`${html ? 'takes' : 'does not take'} ${JSON.stringify(accept)} for a browser`, () => expect(wantsHtml(accept)).to.equal(html));
});
