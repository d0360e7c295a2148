import { expect } from 'chai';
import { formatLinkState, linkName, overlapping, parseLinkState, type LinkSpec, type LinkState } from '../../../src/core/sync/link.js';
import { codeOf, p } from '../../support/open-log.js';

const spec = (from: string, to: string, more: Partial<LinkSpec['scope']> = {}): LinkSpec => ({
  source: 'aaaaaaaaaaaaaaaa',
  target: 'bbbbbbbbbbbbbbbb',
  scope: { from: p(from), to: p(to), excludes: [], deletes: true, ttlSec: 0, ...more },
});

describe('links', () => {
  it('have a name that follows from clusters, paths and filters, whatever the order of the excludes', () => {
    const name = linkName(spec('/', '/', { excludes: [p('/a'), p('/b')] }));
    expect(name).to.match(/^[0-9a-f]{16}$/);
    expect(linkName(spec('/', '/', { excludes: [p('/b'), p('/a')] }))).to.equal(name);
    const others = [spec('/', '/'), spec('/', '/x'), spec('/x', '/'), spec('/', '/', { deletes: false }), { ...spec('/', '/'), source: 'cccccccccccccccc' }];
    expect(new Set([name, ...others.map(linkName)]).size).to.equal(others.length + 1);
  });

  for (const state of [
    { phase: 'copy', position: new Map([['aaaaaaaaaaaaaaaa', 7]]), after: p('/a "quoted" name'), refused: [] },
    {
      phase: 'feed',
      position: new Map([['aaaaaaaaaaaaaaaa', 7]]),
      after: null,
      refused: [
        { path: p('/x/ü'), dots: new Map([['aaaaaaaaaaaaaaaa', 3]]), error: 'no' },
        { path: p('/x/ü/below'), dots: new Map([['aaaaaaaaaaaaaaaa', 5]]), error: null },
      ],
    },
    { phase: 'again', position: new Map<string, number>(), after: null, refused: [] },
  ] as const)
    it(`come back from their checkpoint in phase ${state.phase}`, () => {
      const whole: LinkState = { spec: spec('/x', '/y', { excludes: [p('/x/z')], deletes: false }), ...state };
      expect(parseLinkState(formatLinkState(whole))).to.deep.equal(whole);
    });

  for (const text of [
    '',
    'x',
    '{}',
    'null',
    '{"source":"a"}',
    formatLinkState({ spec: spec('/', '/'), phase: 'feed', position: new Map(), after: null, refused: [] }).replace('feed', 'fed'),
  ])
    it(`do not come back from ${text.slice(0, 20) || 'nothing'}`, async () => {
      expect(await codeOf(() => parseLinkState(text))).to.equal('BODY_INVALID');
    });

  const cases: [a: LinkSpec, b: LinkSpec, clash: boolean][] = [
    [spec('/x', '/z'), spec('/y', '/z'), true],
    [spec('/x', '/z'), spec('/y', '/z/deep'), true],
    [spec('/x', '/z/deep'), spec('/y', '/z'), true],
    [spec('/x', '/z'), spec('/y', '/other'), false],
    [spec('/', '/'), spec('/x', '/x'), false],
    [spec('/x', '/z'), spec('/x/sub', '/z/sub'), false],
    [spec('/', '/'), { ...spec('/y', '/'), source: 'cccccccccccccccc' }, false],
    [spec('/', '/', { deletes: false }), spec('/', '/'), false],
  ];
  for (const [a, b, clash] of cases)
    it(`${clash ? 'clash' : 'go together'}: ${a.scope.from} at ${a.scope.to}, ${b.scope.from} at ${b.scope.to}${a.source === b.source ? '' : ' from elsewhere'}`, () => {
      expect([overlapping(a, [b]), overlapping(b, [a])]).to.deep.equal(clash ? [b, a] : [null, null]);
    });
});
