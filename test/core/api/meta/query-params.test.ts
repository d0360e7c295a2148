import { expect } from 'chai';
import fc from 'fast-check';
import { readOrigin, readPath } from '../../../../src/core/api/meta/query-params.js';
import { Query } from '../../../../src/core/http/params.js';
import { anyPath } from '../../../support/arbitrary.js';
import { failureOf } from '../../../support/open-log.js';

const origin = '0123456789abcdef';

describe('readPath', () => {
  const read = (text: string) => readPath(new Query(text), 'pathPrefix');

  it('gives any path as it was encoded, and nothing where there is none', () => {
    fc.assert(fc.property(anyPath, (path) => read(`limit=1&pathPrefix=${encodeURIComponent(path)}`) === path));
    expect(read('limit=1')).to.equal(undefined);
    expect([read('pathPrefix=/'), read('pathPrefix=/a//b/')]).to.deep.equal(['/', '/a/b']);
  });

  it('refuses what is no path, naming the parameter', async () => {
    const cases: [text: string, rule: RegExp][] = [
      ['pathPrefix=', /must start with "\/"/],
      ['pathPrefix', /must start with "\/"/],
      ['pathPrefix=docs', /must start with "\/"/],
      ['pathPrefix=/a/../b', /component "\.\."/],
      ['pathPrefix=/a%00b', /NUL/],
      ['pathPrefix=/%FF', /not valid percent-encoded UTF-8/],
      [`pathPrefix=/${'n'.repeat(256)}`, /at most 255 bytes/],
      [`pathPrefix=${'/nnnn'.repeat(1000)}`, /at most 4096 bytes/],
      ['pathPrefix=/a&pathPrefix=/b', /more than once/],
    ];
    for (const [text, rule] of cases) {
      const { code, message } = await failureOf(() => read(text));
      expect(code, text).to.equal('PARAMETER_INVALID');
      expect(message)
        .to.match(/^pathPrefix: /)
        .and.to.match(rule);
    }
  });
});

describe('readOrigin', () => {
  const read = (text: string) => readOrigin(new Query(text));

  it('gives the origin, and nothing where there is none', () => {
    expect([read(`origin=${origin}`), read('other=1')]).to.deep.equal([origin, undefined]);
  });

  it('refuses what is none, naming the parameter and what it must be', async () => {
    for (const text of ['', 'me', origin.toUpperCase(), origin.slice(1), `${origin}0`, `${origin}%0A`, `%20${origin}`]) {
      const { code, message } = await failureOf(() => read(`origin=${text}`));
      expect(code, text).to.equal('PARAMETER_INVALID');
      expect(message, text)
        .to.match(/^origin: /)
        .and.to.match(/is not 16 lower-case hex digits$/);
    }
    expect((await failureOf(() => read(`origin=${origin}&origin=${origin}`))).message).to.match(/^origin: stands more than once/);
    // What came is shown, but not all of it.
    expect((await failureOf(() => read(`origin=${'x'.repeat(10_000)}`))).message.length).to.be.below(150);
  });
});
