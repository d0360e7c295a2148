import { PassThrough, Writable } from 'node:stream';
import { expect } from 'chai';
import { writeJsonLines, writeLines } from '../../src/ux/json-lines.js';
import { waitFor } from '../support/wait-for.js';

describe('writeJsonLines', () => {
  it('writes one object a line', async () => {
    const stream = new PassThrough();
    await writeJsonLines(stream, [{ a: 1 }, { b: 'x\ny' }]);
    expect(stream.read().toString()).to.equal('{"a":1}\n{"b":"x\\ny"}\n');
  });

  it('writes nothing for an empty page', async () => {
    const stream = new PassThrough();
    await writeLines(stream, []);
    expect(stream.read()).to.equal(null);
  });

  it('waits for a slow reader', async () => {
    let take = (): void => {};
    const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => (take = done) });
    let written = false;
    const writing = writeJsonLines(stream, [{ a: 1 }]).then(() => (written = true));
    await waitFor(() => stream.writableNeedDrain, { what: 'a full stream' });
    expect(written).to.equal(false);
    take();
    await writing;
  });
});
