import { expect } from 'chai';
import { stepProgress } from '../../src/ux/step-progress.js';

describe('stepProgress', () => {
  it('says once that work has begun, and off a terminal nothing else', () => {
    const said: string[] = [];
    const write = process.stderr.write.bind(process.stderr);
    const { isTTY } = process.stderr;
    process.stderr.isTTY = false;
    process.stderr.write = (text: string | Uint8Array): boolean => said.push(String(text)) > 0;
    try {
      const progress = stepProgress('deleting /a', () => said.push('begun'));
      progress.begun();
      progress.done(1);
      progress.stop();
    } finally {
      process.stderr.write = write;
      process.stderr.isTTY = isTTY;
    }
    expect(said).to.deep.equal(['begun']);
  });
});
