import { expect } from 'chai';
import { sparkline } from '../../src/ux/sparkline.js';

describe('sparkline', () => {
  it('draws from 0 to the greatest value', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).to.equal('▁▂▃▄▅▆▇█');
    expect(sparkline([0, 0])).to.equal('▁▁');
    expect(sparkline([])).to.equal('');
  });

  it('leaves a gap where nothing is known', () => {
    expect(sparkline([3, null, 0])).to.equal('█ ▁');
  });
});
