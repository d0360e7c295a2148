import { expect } from 'chai';
import { listingHeaders, listingPage } from '../../../src/core/web/listing-page.js';

describe('the page of a directory', () => {
  const mtime = '2026-08-22T10:00:00.123Z';
  const file = (name: string, size = 1) => ({ name, isDirectory: false, size, mtime });

  it('shows names, sizes and times, with the way up and to the next page', () => {
    const page = listingPage({ names: ['a b', 'c'], entries: [{ ...file('sub'), isDirectory: true }, file('f', 1536)], more: 'lastFileName=f&limit=2' });
    expect(page)
      .to.contain('<a href="/a%20b/"><bdi>a b</bdi></a> / <a href="/a%20b/c/"><bdi>c</bdi></a>')
      .and.to.contain('<a href="/a%20b/c/sub/"><bdi>sub/</bdi></a></td><td></td>')
      .and.to.contain('<a href="/a%20b/c/f"><bdi>f</bdi></a></td><td>1.5 KiB</td><td>2026-08-22T10:00:00Z</td>')
      .and.to.contain('href="/a%20b/c/?lastFileName=f&amp;limit=2"');
    expect(listingPage({ names: [], entries: [], more: null }))
      .to.contain('nothing is here')
      .and.to.not.contain('more');
  });

  it('takes no name for markup, for a scheme or for a turn of the text', () => {
    const names = ['"><img src=x onerror=alert(1)>', 'javascript:alert(1)', "'&amp;", '\u202etxt.exe', 'a\nb', '..?#%'];
    const page = listingPage({ names, entries: names.map((name) => file(name)), more: null });
    for (const [, tag] of page.matchAll(/<([a-z]+)/g))
      expect(['html', 'head', 'meta', 'title', 'style', 'body', 'p', 'a', 'bdi', 'table', 'tr', 'td']).to.include(tag);
    for (const [, href] of page.matchAll(/href="([^"]*)"/g)) expect(href).to.match(/^\/[\w%.~!*()&#;:/-]*$/);
    expect(page).to.not.match(/[\u202e]/);
    expect(page).to.contain('&#39;&amp;amp;');
  });

  it('runs no scripts and loads nothing', () => {
    expect(listingHeaders['Content-Security-Policy']).to.match(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
  });
});
