import { expect } from 'chai';
import { progressText } from '../../src/ux/progress.js';

describe('progressText', () => {
  it('tells rate, share and the time that is left', () => {
    expect(progressText(1_234_567, { done: 250, total: 1000, seconds: 60 })).to.equal('1,234,567 changes, 20,576/s, 25 %, 3 min 0 s left');
    expect(progressText(500, { done: 999, total: 1000, seconds: 0.5 })).to.equal('500 changes, 1,000/s, 99 %, 1 s left');
    expect(progressText(10, { done: 1, total: 1000, seconds: 10 })).to.equal('10 changes, 1/s, 0 %, 2 h 46 min left');
  });

  it('leaves out what cannot be told', () => {
    expect(progressText(12, { done: 5, total: null, seconds: 2 })).to.equal('12 changes, 6/s');
    expect(progressText(0, { done: 0, total: 100, seconds: 0 })).to.equal('0 changes, 0/s');
  });
});
