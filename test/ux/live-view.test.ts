import { expect } from 'chai';
import { LiveView } from '../../src/ux/live-view.js';

function sink(columns = 10, rows = 4) {
  const written: string[] = [];
  return { written, stream: { isTTY: true, columns, rows, write: (text: string) => written.push(text) } };
}

describe('LiveView', () => {
  it('draws over the last block on a terminal', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, true);
    view.draw(['a', 'b']);
    view.draw(['c']);
    view.draw(['d']);
    expect(written).to.deep.equal(['a\nb\n', '\u001b[2F\u001b[2Kc\n\u001b[J', '\u001b[1F\u001b[2Kd\n\u001b[J']);
  });

  it('keeps a block within the screen, so that it can be erased again', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, true);
    view.draw(['0123456789abc', '2', '3', '4', '5']);
    view.draw(['x']);
    expect(written).to.deep.equal(['012345678…\n2\n3\n', '\u001b[3F\u001b[2Kx\n\u001b[J']);
  });

  it('takes a block away line by line', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, true);
    view.draw(['a', 'b']);
    view.clear();
    view.draw(['c']);
    expect(written).to.deep.equal(['a\nb\n', '\u001b[2F\u001b[2K\n\u001b[2K\n\u001b[2F', 'c\n']);
  });

  it('goes below what others write to the terminal', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, true);
    view.above(() => written.push('news\n'));
    view.draw(['a']);
    view.above(() => written.push('more\n'));
    view.end();
    view.above(() => written.push('last\n'));
    expect(written).to.deep.equal(['news\n', 'a\n', '\u001b[1F\u001b[2K\n\u001b[1F', 'more\n', 'a\n', 'last\n']);
  });

  it('leaves a block that has ended alone', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, true);
    view.draw(['a']);
    view.end();
    view.draw(['b']);
    expect(written).to.deep.equal(['a\n', 'b\n']);
  });

  it('writes a block off a terminal only when it has changed', () => {
    const { written, stream } = sink();
    const view = new LiveView(stream, false);
    view.draw(['a']);
    view.draw(['a']);
    view.draw(['a', 'b']);
    expect(written).to.deep.equal(['a\n', 'a\nb\n']);
  });
});
