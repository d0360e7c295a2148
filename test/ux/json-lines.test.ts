import { PassThrough, Writable } from 'node:stream';
import { expect } from 'chai';
import { LineWriter, writeJsonLines, writeLines } from '../../src/ux/json-lines.js';
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

describe('LineWriter', () => {
  it('writes lines in their order, many at a time, and what is left at the end', async () => {
    const chunks: string[] = [];
    const stream = new Writable({ write: (chunk, _encoding, done) => (chunks.push(String(chunk)), done()) });
    const lines = Array.from({ length: 1200 }, (_, index) => `line ${index}`);
    const out = new LineWriter(stream);
    for (const line of lines) await out.write(line);
    expect(chunks.length).to.be.within(1, 10);
    await out.end();
    expect(chunks.join('')).to.equal(`${lines.join('\n')}\n`);
  });
});
