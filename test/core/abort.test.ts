import { expect } from 'chai';
import { anySignal } from '../../src/core/abort.js';

describe('anySignal', () => {
  it('aborts with the reason of whichever of its sources aborts first, then or before', () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const both = anySignal(a.signal, b.signal);
    expect(both.signal.aborted).to.equal(false);
    b.abort('b');
    a.abort('a');
    expect([both.signal.aborted, both.signal.reason]).to.deep.equal([true, 'b']);
    expect(anySignal(new AbortController().signal, a.signal).signal.reason).to.equal('a');
  });

  it('hears nothing more when released', () => {
    const source = new AbortController();
    const { signal, release } = anySignal(source.signal);
    release();
    source.abort();
    expect(signal.aborted).to.equal(false);
  });
});
