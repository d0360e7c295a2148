import { expect } from 'chai';
import { createStyle, wantsColour } from '../../src/ux/style.js';
import { isLive, widthOf } from '../../src/ux/terminal.js';

describe('wantsColour', () => {
  const cases: [string, boolean, boolean | undefined, NodeJS.ProcessEnv, boolean][] = [
    ['a terminal', true, undefined, {}, true],
    ['a pipe', false, undefined, {}, false],
    ['NO_COLOR', true, undefined, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', true, undefined, { NO_COLOR: '' }, true],
    ['a dumb terminal', true, undefined, { TERM: 'dumb' }, false],
    ['--color in a pipe', false, true, { NO_COLOR: '1' }, true],
    ['--no-color on a terminal', true, false, {}, false],
  ];
  for (const [what, isTTY, flag, env, wanted] of cases) {
    it(`says ${wanted} for ${what}`, () => {
      expect(wantsColour({ isTTY }, flag, env)).to.equal(wanted);
    });
  }

  it('leaves text alone where colour is not wanted', () => {
    expect(createStyle(false).bad('x')).to.equal('x');
    expect(createStyle(true).bad('x')).to.equal('\u001b[31mx\u001b[39m');
  });
});

describe('isLive', () => {
  it('needs a terminal with a width that is no CI log', () => {
    expect(isLive({ isTTY: true, columns: 80 }, {})).to.equal(true);
    expect(isLive({ isTTY: true, columns: 0 }, {})).to.equal(false);
    expect(isLive({ isTTY: false, columns: 80 }, {})).to.equal(false);
    expect(isLive({ isTTY: true, columns: 80 }, { CI: 'true' })).to.equal(false);
    expect(isLive({ isTTY: true, columns: 80 }, { TERM: 'dumb' })).to.equal(false);
  });
});

describe('widthOf', () => {
  it('is null off a terminal and 80 on one that does not say', () => {
    expect(widthOf({ isTTY: false, columns: 80 })).to.equal(null);
    expect(widthOf({ isTTY: true, columns: 0 })).to.equal(80);
    expect(widthOf({ isTTY: true, columns: 132 })).to.equal(132);
  });
});
