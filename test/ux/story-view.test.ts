import { expect } from 'chai';
import { StoryView } from '../../src/ux/story-view.js';

function sink(screen: { isTTY: boolean; columns?: number }) {
  let text = '';
  return { ...screen, write: (piece: string) => (text += piece), text: () => text };
}

describe('a story', () => {
  it('is plain lines in a pipe: the label once, no block, no escapes', () => {
    const out = sink({ isTTY: false });
    const view = new StoryView(out, false);
    view.line('copy', `${'word '.repeat(40)}end`);
    view.line('copy', 'a \u001b[31mred\u0007 name');
    view.block(['TABLE']);
    view.progress('1 of 2');
    view.line('proof', 'equal');
    view.end();
    expect(out.text()).to.equal(`copy      ${'word '.repeat(40)}end\n          a \\x1b[31mred\\x07 name\nproof     equal\n`);
  });

  it('is wrapped on a terminal, with progress and block below', () => {
    const out = sink({ isTTY: true, columns: 24 });
    const view = new StoryView(out, true);
    view.block(['TABLE']);
    view.line('copy', 'one two three four five');
    expect(out.text()).to.equal('\nTABLE\n\u001b[2F\u001b[2K\n\u001b[2K\n\u001b[2Fcopy      one two three\n          four five\n\nTABLE\n');
    view.progress('half');
    view.end();
    expect(out.text().endsWith('\u001b[2F\u001b[2K\n\u001b[2KTABLE\n\u001b[J')).to.equal(true);
  });
});
