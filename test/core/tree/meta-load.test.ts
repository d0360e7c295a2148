import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { TreeClient } from '../../../src/core/api/filer/client.js';
import { HttpClient } from '../../../src/core/http/client.js';
import { linesOf, loadMeta, type MetaLoad } from '../../../src/core/tree/meta-load.js';
import { saveMeta } from '../../../src/core/tree/meta-save.js';
import { freePort } from '../../support/free-port.js';
import { codeOf } from '../../support/open-log.js';
import { LocalTree } from '../../support/local-tree.js';
import { tempDir } from '../../support/temp-dir.js';

const { signal } = new AbortController();

describe('saving and loading entries', () => {
  let [from, to]: LocalTree[] = [];
  let directory: string;
  const load = (tree: LocalTree, source: MetaLoad['source'], prefix: string | null = null) =>
    loadMeta(tree.client, { source, prefix: prefix === null ? null : tree.path(prefix), inFlight: 4 }, signal);
  before(async () => {
    [from, to] = [await LocalTree.start(), await LocalTree.start()];
    directory = await tempDir();
    await from.put('/t/a/file?mode=0604&ttl=3d&mtime=2001-02-03T04:05:06.000000789Z', 'hello', { 'Seaweed-Colour': 'red' });
    await from.client.put(from.path('/t/odd\n\u001b[31m'), Buffer.from([0, 255]));
    await from.client.mkdir(from.path('/t/empty'), { mode: 0o700 });
    const chunked = await from.client.metadata(from.path('/t/a/file'));
    await from.client.putEntry(from.path('/t/chunked'), {
      ...chunked,
      Content: null,
      TtlSec: 0,
      chunks: [{ file_id: '3,01', offset: 0, size: 9, fid: { volume_id: 3 } }],
    });
  });
  after(async () => {
    await from.stop();
    await to.stop();
  });

  for (const name of ['plain.jsonl', 'zipped.meta.gz']) {
    it(`takes everything there and back through ${name}, and changes nothing the second time`, async () => {
      const file = join(directory, name);
      expect(await saveMeta(from.client, { path: from.path('/t'), target: file }, signal)).to.deep.equal({ directories: 3, files: 3 });
      const bytes = await readFile(file);
      const lines = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trimEnd().split('\n');
      expect(JSON.parse(lines[0] ?? '')).to.deep.include({ dir: '/' });
      expect(lines).to.have.length(6);

      const first = await load(to, file);
      expect(first).to.deep.include({ directories: 3, files: 3, unchanged: name === 'plain.jsonl' ? 0 : 6, skipped: 0 });
      const seq = to.filer.namespace.ownSeq;
      expect(await load(to, file)).to.deep.include({ unchanged: 6 });
      expect(to.filer.namespace.ownSeq).to.equal(seq);
      for (const path of ['/t', '/t/a', '/t/a/file', '/t/odd\n\u001b[31m', '/t/empty', '/t/chunked'])
        expect(await to.client.metadata(to.path(path)), path).to.deep.equal(await from.client.metadata(from.path(path)));
    });
  }

  it('brings back what was changed or deleted meanwhile, and only that', async () => {
    const file = join(directory, 'again.jsonl');
    await saveMeta(from.client, { path: from.path('/t'), target: file }, signal);
    await load(to, file);
    await to.put('/t/a/file', 'overwritten');
    await to.client.remove(to.path('/t/empty'));
    await to.put('/t/other', 'stays');
    expect(await load(to, file)).to.deep.include({ unchanged: 4 });
    expect((await to.get('/t/a/file')).text).to.equal('hello');
    expect((await to.get('/t/other')).text).to.equal('stays');
  });

  it('loads a part, from a stream too, and skips what the tree cannot take', async () => {
    const file = join(directory, 'part.jsonl');
    await saveMeta(from.client, { path: from.path('/t'), target: file }, signal);
    const other = await LocalTree.start();
    try {
      expect(await load(other, Readable.from([await readFile(file)]), '/t/a')).to.deep.include({ directories: 1, files: 1, skipped: 0 });
      await other.client.put(other.path('/t/empty'), 'a file now');
      const { skipped, reasons } = await load(other, file);
      expect([skipped, reasons[0]?.names]).to.deep.equal([1, ['/t/empty']]);
    } finally {
      await other.stop();
    }
  });

  it('names the line that is no entry, and the file that is none', async () => {
    const wrong: [string, string][] = [
      ['{"dir":"/","entry":{"name":"a"}}\n\nnonsense\n', 'line 3: '],
      ['{"dir":"/","entry":{"name":"a/b"}}', 'line 1: "a/b" is not one name'],
      ['{"dir":"/","entry":{}}', 'line 1: entry.name: must be a name'],
      ['{"entry":{}}', 'line 1: dir: must be a path'],
      ['null', 'line 1: dir: must be a path'],
    ];
    for (const [text, message] of wrong) {
      const error: unknown = await load(to, Readable.from([Buffer.from(text)])).catch((failure: unknown) => failure);
      expect((error as Error).message).to.contain(message);
    }
    const cut = join(directory, 'cut.gz');
    await writeFile(cut, gzipSync('{}'.repeat(1000)).subarray(0, 20));
    for (const file of [cut, join(directory, 'absent')]) expect(await load(to, file).catch((failure: unknown) => failure)).to.be.instanceOf(Error);
  });

  it('ends at a signal, and at a failure, though a pipe gives no further line', async () => {
    const line = `${JSON.stringify({ dir: '/', entry: { name: 'piped' } })}\n`;
    const open = (): PassThrough => {
      const pipe = new PassThrough();
      pipe.write(line);
      return pipe;
    };
    const interrupted = new AbortController();
    const loaded = (): void => interrupted.abort(new Error('told to stop'));
    const options = { prefix: null, inFlight: 4 };
    const error: unknown = await loadMeta(to.client, { ...options, source: open(), loaded }, interrupted.signal).catch((failure: unknown) => failure);
    expect((error as Error).message).to.equal('told to stop');
    const nobody = new TreeClient(new HttpClient({ connections: 4 }), `127.0.0.1:${await freePort()}`);
    expect(await codeOf(() => loadMeta(nobody, { ...options, source: open() }, signal))).to.equal('PEER_UNREACHABLE');
  });

  it('leaves no half file behind', async () => {
    const file = join(directory, 'half.gz');
    await writeFile(file, 'as it was');
    expect(await codeOf(() => saveMeta(from.client, { path: from.path('/no'), target: file }, signal))).to.equal('ENTRY_NOT_FOUND');
    expect((await readFile(file)).toString()).to.equal('as it was');
    expect(await stat(`${file}.part`).catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ENOENT');
  });

  it('reads lines however they are cut, and none without end', async () => {
    const texts: string[] = [];
    for await (const { text, number } of linesOf(Readable.from(['a', 'b\n\nc', 'd\ne'].map((piece) => Buffer.from(piece))), 'x'))
      texts.push(`${number}:${text}`);
    expect(texts).to.deep.equal(['1:ab', '3:cd', '4:e']);
    const endless = linesOf(Readable.from([Buffer.alloc(600, 97), Buffer.alloc(600, 97)]), 'x', 1000);
    expect(await codeOf(() => endless.next())).to.equal('BODY_INVALID');
  });
});
