import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { DirectoryOptions } from '../../../../src/core/api/filer/reads.js';
import { LocalTree, type Answer, type Sent } from '../../../support/local-tree.js';
import { waitFor } from '../../../support/wait-for.js';

const helloTag = '"5d41402abc4b2a76b9719d911017c592"';
const helloMd5 = 'XUFAKrxLKna5cZ2REBfFkg==';

/** What is there before every case: `/dir/file` with "hello", `/dir/sub/x`, the empty `/empty`. */
async function plant(tree: LocalTree): Promise<void> {
  await tree.put('/dir/file', 'hello');
  await tree.put('/dir/sub/x', 'x');
  await tree.send('POST', '/empty/');
}

const codeOf = (answer: Answer): unknown => (answer.text.startsWith('{') ? answer.json['code'] : undefined);

describe('the tree over HTTP', () => {
  let tree: LocalTree;
  beforeEach(async () => {
    tree = await LocalTree.start();
    await plant(tree);
  });
  afterEach(() => tree.stop());

  describe('answers', () => {
    const form = {
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      body: '--b\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\n\r\nhi\r\n--b--\r\n',
    };
    const long = 'n'.repeat(256);
    const rows: [method: string, target: string, status: number, code?: string, sent?: Sent][] = [
      // Writes.
      ['PUT', '/new', 201, undefined, { body: 'x' }],
      ['PUT', '/a/b/c', 201, undefined, { body: 'x' }],
      ['PUT', '/dir/file', 201, undefined, { body: 'x' }],
      ['PUT', '/a//b', 201, undefined, { body: 'x' }],
      ['PUT', '/new', 201, undefined, {}],
      ['PUT', '/n?collection=c&replication=001&disk=ssd&maxMB=4&dataCenter=a&rack=b&fsync=true&saveInside=true&whatever=1', 201, undefined, { body: 'x' }],
      ['PUT', '/dir/', 400, 'PATH_INVALID', { body: 'x' }],
      ['PUT', '/', 400, 'PATH_INVALID', { body: 'x' }],
      ['PUT', '/dir', 409, 'IS_A_DIRECTORY', { body: 'x' }],
      ['PUT', '/dir/file/below', 409, 'PARENT_IS_FILE', { body: 'x' }],
      ['PUT', '/n?mode=9', 400, 'PARAMETER_INVALID', { body: 'x' }],
      ['PUT', '/n?ttl=never', 400, 'PARAMETER_INVALID', { body: 'x' }],
      // Appends.
      ['PUT', '/n?op=append', 201, undefined, { body: 'x' }],
      ['PUT', '/dir/file?op=append', 201, undefined, { body: 'x' }],
      ['POST', '/dir/posted?op=append', 201, undefined, form],
      ['PUT', '/dir?op=append', 409, 'IS_A_DIRECTORY', { body: 'x' }],
      ['PUT', '/dir/file/below?op=append', 409, 'PARENT_IS_FILE', { body: 'x' }],
      ['PUT', '/n?op=prepend', 400, 'PARAMETER_INVALID', { body: 'x' }],
      ['PUT', '/dir/file?op=append&offset=1', 400, 'PARAMETER_INVALID', { body: 'x' }],
      ['PUT', '/dir/file?op=append', 400, 'DIGEST_MISMATCH', { body: 'x', headers: { 'Content-MD5': helloMd5 } }],
      ['PUT', '/dir/file?op=append', 412, 'PRECONDITION_FAILED', { body: 'x', headers: { 'If-Match': '"x"' } }],
      // Tags.
      ['PUT', '/dir/file?tagging', 202, undefined, { headers: { 'Seaweed-A': 'b' } }],
      ['PUT', '/dir/?tagging', 202, undefined, { headers: { 'Seaweed-A': 'b' } }],
      ['PUT', '/dir/file?tagging', 202, undefined, {}],
      ['PUT', '/missing?tagging', 404, 'ENTRY_NOT_FOUND', { headers: { 'Seaweed-A': 'b' } }],
      ['PUT', '/?tagging', 400, 'PATH_INVALID', { headers: { 'Seaweed-A': 'b' } }],
      ['PUT', '/.filer/x?tagging', 400, 'RESERVED_PATH', { headers: { 'Seaweed-A': 'b' } }],
      ['POST', '/dir/?tagging', 400, 'PARAMETER_INVALID', { headers: { 'Seaweed-A': 'b' } }],
      ['PUT', '/dir/file?tagging', 412, 'PRECONDITION_FAILED', { headers: { 'Seaweed-A': 'b', 'If-Match': '"x"' } }],
      ['DELETE', '/dir/file?tagging', 304],
      ['DELETE', '/dir/file?tagging=A,B', 304],
      ['DELETE', '/missing?tagging', 404, 'ENTRY_NOT_FOUND'],
      ['PUT', '/n', 400, 'DIGEST_MISMATCH', { body: 'hello', headers: { 'Content-MD5': 'AAAA' } }],
      ['PUT', '/n', 201, undefined, { body: 'hello', headers: { 'Content-MD5': helloMd5 } }],
      ['PUT', '/n', 201, undefined, { body: 'hello', headers: { 'Content-MD5': helloTag.slice(1, -1) } }],
      ['POST', '/dir/', 201, undefined, form],
      ['POST', '/dir/posted', 201, undefined, form],
      ['POST', '/fresh/', 201, undefined, form],
      ['POST', '/dir/file/', 409, 'PARENT_IS_FILE', form],
      ['POST', '/', 201, undefined, form],
      ['POST', '/dir/posted', 400, 'BODY_INVALID', { body: 'raw' }],
      ['POST', '/dir/posted', 400, 'BODY_INVALID', {}],
      ['POST', '/', 400, 'RESERVED_PATH', { ...form, body: form.body.replace('n.txt', 'metrics') }],
      ['POST', '/dir/', 400, 'BODY_INVALID', { ...form, body: form.body.replace('n.txt', '..') }],
      ['POST', '/made/', 201],
      ['POST', '/made/', 201, undefined, { headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' } }],
      ['POST', '/made/deep/er/', 201],
      ['POST', '/dir/', 409, 'ENTRY_EXISTS'],
      ['POST', '/dir/file/', 409, 'ENTRY_EXISTS'],
      ['POST', '/dir/file/below/', 409, 'PARENT_IS_FILE'],
      ['POST', '/', 409, 'ENTRY_EXISTS'],
      // Moves.
      ['POST', '/moved?mv.from=/dir/file', 204],
      ['PUT', '/moved?mv.from=/dir/file', 204],
      ['POST', '/moved?mv.from=/dir', 204],
      ['POST', '/moved?mv.from=/dir/', 204],
      ['POST', '/empty/?mv.from=/dir/file', 204],
      ['POST', '/empty?mv.from=/dir', 204],
      ['POST', '/dir/sub/x?mv.from=/dir/file', 204],
      ['POST', '/dir?mv.from=/empty', 409, 'DIRECTORY_NOT_EMPTY'],
      ['POST', '/empty?mv.from=/dir/file', 409, 'IS_A_DIRECTORY'],
      ['POST', '/dir/file?mv.from=/empty', 400, 'PARAMETER_INVALID'],
      ['POST', '/n?mv.from=/missing', 400, 'PARAMETER_INVALID'],
      ['POST', '/dir/sub?mv.from=/dir', 400, 'PARAMETER_INVALID'],
      ['POST', '/dir/?mv.from=/dir', 400, 'PARAMETER_INVALID'],
      ['POST', '/n?mv.from=/', 400, 'PATH_INVALID'],
      ['POST', '/n?mv.from=', 400, 'PATH_INVALID'],
      ['POST', '/n?mv.from=/a/../dir', 400, 'PATH_INVALID'],
      ['POST', '/n?mv.from=/.filer/x', 400, 'RESERVED_PATH'],
      ['POST', '/.filer/x?mv.from=/dir/file', 400, 'RESERVED_PATH'],
      ['POST', '/?mv.from=/dir/healthz', 400, 'RESERVED_PATH'],
      ['POST', '/n?mv.from=/dir/file', 204, undefined, { headers: { 'If-None-Match': '*' } }],
      ['POST', '/dir/sub/x?mv.from=/dir/file', 412, 'PRECONDITION_FAILED', { headers: { 'If-None-Match': '*' } }],
      ['POST', '/empty/', 412, 'PRECONDITION_FAILED', { headers: { 'If-None-Match': '*' } }],
      ['POST', '/n/', 201, undefined, { headers: { 'If-None-Match': '*' } }],
      // Copies.
      ['POST', '/n?cp.from=/dir/file', 204],
      ['PUT', '/n?cp.from=/dir/file', 204],
      ['POST', '/empty/?cp.from=/dir/file', 204],
      ['POST', '/n?cp.from=/dir', 204],
      ['POST', '/empty/?cp.from=/dir', 204],
      ['POST', '/empty?cp.from=/dir', 409, 'ENTRY_EXISTS'],
      ['POST', '/empty?cp.from=/dir&overwrite=true', 204],
      ['POST', '/dir/sub/x?cp.from=/dir/file', 409, 'ENTRY_EXISTS'],
      ['POST', '/dir/sub/x?cp.from=/dir/file&overwrite=true', 204],
      ['POST', '/dir/sub/x?cp.from=/dir/file&overwrite=true', 412, 'PRECONDITION_FAILED', { headers: { 'If-Match': '"x"' } }],
      ['POST', '/dir?cp.from=/empty&overwrite=true', 409, 'DIRECTORY_NOT_EMPTY'],
      ['POST', '/empty?cp.from=/dir/file&overwrite=true', 409, 'IS_A_DIRECTORY'],
      ['POST', '/dir/file?cp.from=/empty&overwrite=true', 400, 'PARAMETER_INVALID'],
      ['POST', '/n?cp.from=/missing', 400, 'PARAMETER_INVALID'],
      ['POST', '/dir/file?cp.from=/dir/file&overwrite=true', 400, 'PARAMETER_INVALID'],
      ['POST', '/dir/deep?cp.from=/dir', 400, 'PARAMETER_INVALID'],
      ['POST', '/n?cp.from=/', 400, 'PATH_INVALID'],
      ['POST', '/n?cp.from=/.filer/x', 400, 'RESERVED_PATH'],
      ['POST', '/n?cp.from=/dir/file&mv.from=/dir/file', 400, 'PARAMETER_INVALID'],
      ['POST', '/n?cp.from=/dir/file&dataOnly=true', 400, 'PARAMETER_INVALID'],
      // Deletes.
      ['DELETE', '/dir/file', 204],
      ['DELETE', '/dir/file/', 204],
      ['DELETE', '/missing', 204],
      ['DELETE', '/missing?recursive=true', 204],
      ['DELETE', '/empty', 204],
      ['DELETE', '/empty/', 204],
      ['DELETE', '/dir', 409, 'DIRECTORY_NOT_EMPTY'],
      ['DELETE', '/dir?recursive=true', 204],
      ['DELETE', '/dir?recursive=maybe', 400, 'PARAMETER_INVALID'],
      ['DELETE', '/', 400, 'PATH_INVALID'],
      ['DELETE', '/?recursive=true', 400, 'PATH_INVALID'],
      // Reads.
      ['GET', '/dir/file', 200],
      ['GET', '/dir/file/', 200],
      ['HEAD', '/dir/file', 200],
      ['GET', '/dir', 200],
      ['GET', '/dir/', 200],
      ['HEAD', '/dir', 200],
      ['GET', '/', 200],
      ['GET', '/?metadata=true', 200],
      ['GET', '/missing', 404, 'ENTRY_NOT_FOUND'],
      ['HEAD', '/missing', 404],
      ['GET', '/missing/', 404, 'ENTRY_NOT_FOUND'],
      ['GET', '/missing?metadata=true', 404, 'ENTRY_NOT_FOUND'],
      ['GET', '/dir?limit=0', 400, 'PARAMETER_INVALID'],
      ['GET', '/dir?limit=10001', 400, 'PARAMETER_INVALID'],
      ['GET', '/dir?limit=10000', 200],
      ['GET', '/dir?namePattern=[', 400, 'PARAMETER_INVALID'],
      ['GET', '/dir?namePatternExclude=[a', 400, 'PARAMETER_INVALID'],
      ['GET', '/dir/file', 304, undefined, { headers: { 'If-None-Match': helloTag } }],
      ['GET', '/dir/file', 412, 'PRECONDITION_FAILED', { headers: { 'If-Match': '"x"' } }],
      ['GET', '/dir/file', 206, undefined, { headers: { Range: 'bytes=1-2' } }],
      ['GET', '/dir/file', 200, undefined, { headers: { Range: 'bytes=1-2', 'If-Range': '"x"' } }],
      ['GET', '/dir/file', 416, 'RANGE_INVALID', { headers: { Range: 'bytes=9-' } }],
      ['GET', '/dir/file', 400, 'PARAMETER_INVALID', { headers: { 'Filer-Min-Position': 'x' } }],
      ['GET', '/dir/file?wait=x', 400, 'PARAMETER_INVALID'],
      ['PATCH', '/dir/file', 405, 'METHOD_NOT_ALLOWED'],
      // Paths, the same for every method.
      ...(['GET', 'PUT', 'POST', 'DELETE'] as const).flatMap((method): [string, string, number, string][] => [
        [method, '/dir/../x', 400, 'PATH_INVALID'],
        [method, '/./x', 400, 'PATH_INVALID'],
        [method, '/dir/%2e%2E/x', 400, 'PATH_INVALID'],
        [method, '/dir/.%2e', 400, 'PATH_INVALID'],
        [method, '/a%2Fb', 400, 'PATH_INVALID'],
        [method, '/a%00b', 400, 'PATH_INVALID'],
        [method, '/a%FF', 400, 'PATH_INVALID'],
        [method, '/a%', 400, 'PATH_INVALID'],
        [method, '/%ED%A0%80', 400, 'PATH_INVALID'],
        [method, `/${long}`, 414, 'NAME_TOO_LONG'],
        [method, `/${'%C3%BC'.repeat(128)}`, 414, 'NAME_TOO_LONG'],
        [method, `/${'n'.repeat(200)}`.repeat(21), 414, 'NAME_TOO_LONG'],
        [method, '/.filer', 400, 'RESERVED_PATH'],
        [method, '/.filer/', 400, 'RESERVED_PATH'],
        [method, '/.filer/v1/unknown', 400, 'RESERVED_PATH'],
        [method, '/%2Efiler/x', 400, 'RESERVED_PATH'],
        [method, '//.filer/x', 400, 'RESERVED_PATH'],
        [method, '/healthz', 400, 'RESERVED_PATH'],
        [method, '/readyz', 400, 'RESERVED_PATH'],
        [method, '/metrics', 400, 'RESERVED_PATH'],
      ]),
    ];
    for (const [method, target, status, code, sent] of rows) {
      const shown = target.length > 90 ? `${target.slice(0, 40)}… (${target.length} characters)` : target;
      const given = sent?.headers ? ` ${JSON.stringify(sent.headers)}` : '';
      it(`${method} ${shown}${given} with ${status}${code === undefined ? '' : ` ${code}`}`, async () => {
        const seq = tree.filer.namespace.ownSeq;
        const answer = await tree.send(method, target, sent);
        expect([answer.status, codeOf(answer)], answer.text).to.deep.equal([status, code]);
        if (status >= 400) expect(tree.filer.namespace.ownSeq, 'nothing is changed').to.equal(seq);
        else if (method !== 'GET' && method !== 'HEAD')
          expect(answer.headers['filer-position']).to.equal(`${tree.filer.log.identity.origin}:${tree.filer.namespace.ownSeq}`);
      });
    }
  });

  it('tells what it wrote', async () => {
    const answer = await tree.put('/docs/a.txt', 'hello');
    expect(answer.json).to.deep.equal({ name: 'a.txt', size: 5 });
    expect(answer.headers['content-md5']).to.equal(helloMd5);
    expect((await tree.send('POST', '/docs/new/')).json).to.deep.equal({ name: 'new' });
  });

  it('returns a file with everything that was sent along', async () => {
    const headers = {
      'Content-Type': 'text/html; charset=utf-8',
      'Seaweed-Owner': 'ann',
      'Cache-Control': 'max-age=60',
      Expires: 'never',
      'Content-Disposition': 'attachment',
    };
    await tree.put('/page', 'hello', headers);
    const answer = await tree.get('/page');
    expect(answer.text).to.equal('hello');
    expect(answer.headers).to.include({
      'content-type': 'text/html; charset=utf-8',
      'seaweed-owner': 'ann',
      'cache-control': 'max-age=60',
      expires: 'never',
      'content-disposition': 'attachment',
      'content-length': '5',
      etag: helloTag,
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    });
  });

  it('forgets kept headers when a file is written without them', async () => {
    await tree.put('/a', 'x', { 'Seaweed-A': 'b' });
    await tree.put('/a', 'y');
    expect((await tree.get('/a')).headers['seaweed-a']).to.equal(undefined);
  });

  it('answers HEAD like GET, without the content', async () => {
    const [get, head] = [await tree.get('/dir/file'), await tree.send('HEAD', '/dir/file')];
    const { date: _a, ...ofGet } = get.headers;
    const { date: _b, ...ofHead } = head.headers;
    expect(ofHead).to.deep.equal(ofGet);
    expect(head.text).to.equal('');
  });

  it('gives the part of a file that is asked for', async () => {
    const answer = await tree.get('/dir/file', { Range: 'bytes=1-3' });
    expect([answer.status, answer.text, answer.headers['content-range'], answer.headers['content-length']]).to.deep.equal([206, 'ell', 'bytes 1-3/5', '3']);
    expect((await tree.get('/dir/file', { Range: 'bytes=7-9' })).headers['content-range']).to.equal('bytes */5');
  });

  it('takes its own Last-Modified back as a condition', async () => {
    const { headers } = await tree.get('/dir/file');
    const lastModified = String(headers['last-modified']);
    expect((await tree.get('/dir/file', { 'If-Modified-Since': lastModified })).status).to.equal(304);
    expect((await tree.get('/dir/file', { 'If-Unmodified-Since': lastModified })).status).to.equal(200);
  });

  it('writes and deletes only under the condition given', async () => {
    expect((await tree.put('/dir/file', 'x', { 'If-None-Match': '*' })).status).to.equal(412);
    expect((await tree.put('/dir/other', 'x', { 'If-None-Match': '*' })).status).to.equal(201);
    expect((await tree.put('/dir/file', 'x', { 'If-Match': '"other"' })).status).to.equal(412);
    expect((await tree.send('DELETE', '/dir/file', { headers: { 'If-Match': '"other"' } })).status).to.equal(412);
    expect((await tree.send('DELETE', '/dir?recursive=true', { headers: { 'If-Match': '"other"' } })).status).to.equal(412);
    expect((await tree.get('/dir/file')).text).to.equal('hello');
    expect((await tree.put('/dir/file', 'new', { 'If-Match': helloTag })).status).to.equal(201);
  });

  it('appends to a file, and says what the whole is', async () => {
    await tree.put('/log', 'one', { 'Content-Type': 'text/x-log', 'Seaweed-Kept': '1' });
    const answer = await tree.put('/log?op=append', ' two', { 'Content-Type': 'application/x-www-form-urlencoded' });
    const md5 = createHash('md5').update('one two');
    expect([answer.json, answer.headers['content-md5']]).to.deep.equal([{ name: 'log', size: 7 }, md5.copy().digest('base64')]);
    expect(answer.headers['filer-position']).to.match(/^[0-9a-f]{16}:\d+$/);
    const { text, headers } = await tree.get('/log');
    expect([text, headers.etag, headers['content-type'], headers['seaweed-kept']]).to.deep.equal(['one two', `"${md5.digest('hex')}"`, 'text/x-log', '1']);
  });

  it('keeps tags beside the content, of files and of directories', async () => {
    const before = await tree.get('/dir/file');
    await tree.send('PUT', '/dir/file?tagging', { headers: { 'seaweed-color': 'red', 'Seaweed-Two-words': 'b', 'Cache-Control': 'no-store' } });
    const tagged = await tree.get('/dir/file');
    expect(tagged.headers).to.include({ 'seaweed-color': 'red', 'seaweed-two-words': 'b', etag: before.headers.etag });
    expect([tagged.text, tagged.headers['last-modified'], tagged.headers['cache-control']]).to.deep.equal([
      'hello',
      before.headers['last-modified'],
      undefined,
    ]);
    await tree.send('PUT', '/dir/file?tagging', { headers: { 'seaweed-color': 'blue', 'seaweed-more': 'c' } });
    expect((await tree.get('/dir/file?metadata=true')).json['Extended']).to.deep.equal({
      'Seaweed-Color': 'Ymx1ZQ==',
      'Seaweed-More': 'Yw==',
      'Seaweed-Two-Words': 'Yg==',
    });
    expect((await tree.send('DELETE', '/dir/file?tagging=COLOR,none')).status).to.equal(202);
    expect((await tree.send('DELETE', '/dir/file?tagging=color')).status).to.equal(304);
    expect((await tree.send('DELETE', '/dir/file?tagging')).status).to.equal(202);
    expect((await tree.get('/dir/file?metadata=true')).json['Extended']).to.equal(null);

    for (const target of ['/dir?tagging', '/empty/?tagging']) {
      await tree.send('PUT', target, { headers: { 'Seaweed-Of': 'directory' } });
      for (const method of ['GET', 'HEAD']) expect((await tree.send(method, target)).headers['seaweed-of']).to.equal('directory');
    }
    expect((await tree.get('/dir/sub/x')).text).to.equal('x');
  });

  it('leaves what is copied as it was, and makes a file of its own', async () => {
    await tree.put('/dir/file', 'hello', { 'Seaweed-A': 'b', 'Content-Type': 'text/x-a' });
    await tree.send('POST', '/copies/?cp.from=/dir');
    await tree.put('/copies/dir/file?op=append', ', world');
    expect([(await tree.get('/dir/file')).text, (await tree.get('/copies/dir/file')).text]).to.deep.equal(['hello', 'hello, world']);
    expect((await tree.get('/copies/dir/file')).headers).to.include({ 'seaweed-a': 'b', 'content-type': 'text/x-a' });
    expect((await tree.get('/copies/dir/sub/x')).text).to.equal('x');
  });

  it('sends several parts of a file in one answer', async () => {
    const { status, headers, text } = await tree.get('/dir/file', { Range: 'bytes=0-0,4-4' });
    expect([status, headers['content-type']?.split(';')[0]]).to.deep.equal([206, 'multipart/byteranges']);
    expect(text).to.contain('Content-Range: bytes 0-0/5\r\n\r\nh\r\n').and.to.contain('Content-Range: bytes 4-4/5\r\n\r\no\r\n');
  });

  it('lists as a page if the client asks for HTML, without taking names for more than names', async () => {
    const hostile = '<script>alert(1)</script>';
    await tree.put(`/dir/${encodeURIComponent(hostile).replaceAll('%2F', '')}`, 'x');
    const browser = 'text/html,application/xhtml+xml,*/*;q=0.8';
    const page = await tree.get('/dir?limit=1', { Accept: browser });
    expect([page.status, page.headers['content-type'], page.headers['vary']]).to.deep.equal([200, 'text/html; charset=utf-8', 'Accept']);
    expect(page.headers['content-security-policy']).to.contain("default-src 'none'");
    expect(page.text).to.contain('&lt;script&gt;').and.to.contain('href="/dir/?lastFileName=').and.to.contain('limit=1');
    expect(page.text).to.not.contain('<script>');
    for (const accept of ['*/*', 'application/json', 'application/json, text/html;q=0.5', '']) {
      expect((await tree.get('/dir', { Accept: accept })).headers['content-type'], accept).to.equal('application/json');
    }
  });

  it('lets one of many win that create a file only if it is not there', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => tree.put('/lock', String(index), { 'If-None-Match': '*' })));
    expect(answers.filter(({ status }) => status === 201)).to.have.length(1);
    expect(answers.filter(({ status }) => status === 412)).to.have.length(19);
  });

  it('keeps mode, lifetime and time of creation', async () => {
    await tree.put('/m/a?mode=0604&ttl=3d', 'x');
    const first = (await tree.get('/m/a?metadata=true')).json;
    expect(first).to.include({ FullPath: '/m/a', Mode: 0o604, TtlSec: 259_200, FileSize: 1, Content: 'eA==' });
    expect((await tree.get('/m?metadata=true')).json).to.include({ FullPath: '/m', Mode: 2147483648 + 0o715 });
    await tree.put('/m/a', 'y');
    expect((await tree.get('/m/a?metadata=true')).json).to.include({ Crtime: first['Crtime'], Mode: 0o604 });
    await tree.send('POST', '/m/d/?mode=0700');
    expect((await tree.get('/m/d/?metadata=true')).json).to.include({ Mode: 2147483648 + 0o700 });
    await tree.put('/plain', 'x');
    expect((await tree.get('/plain?metadata=true')).json).to.include({ Mode: 0o660 });
  });

  it('stores what a form holds', async () => {
    const answer = await tree.form('/up/', [
      { name: 'note', content: 'not a file' },
      { filename: 'C:\\dir\\ü 1.txt', type: 'text/css', content: 'hello' },
      { filename: 'second', content: 'ignored' },
    ]);
    expect([answer.status, answer.json, answer.headers['content-md5']]).to.deep.equal([201, { name: 'ü 1.txt', size: 5 }, helloMd5]);
    const stored = await tree.get('/up/%C3%BC%201.txt');
    expect([stored.text, stored.headers['content-type']]).to.deep.equal(['hello', 'text/css']);
    expect((await tree.get('/up/second')).status).to.equal(404);
  });

  it('says that a file of chunks has its content elsewhere', async () => {
    const spec = { content: '', size: 5, md5: '', chunks: [{ fileId: '3,01', offset: '0', size: '5', eTag: helloMd5 }] };
    await tree.filer.namespace.put(tree.path('/far'), spec, 0o660);
    const answer = await tree.get('/far');
    expect([answer.status, answer.json['code']]).to.deep.equal([409, 'CONTENT_NOT_HERE']);
    expect((await tree.send('HEAD', '/far')).headers).to.include({ 'content-length': '5', etag: helloTag });
    expect((await tree.get('/far?metadata=true')).json['chunks']).to.deep.equal([{ file_id: '3,01', offset: 0, size: 5, e_tag: helloMd5 }]);
  });

  it('reads its own writes at the position a write answered with', async () => {
    const position = String((await tree.put('/p', 'x')).headers['filer-position']);
    expect((await tree.get('/p', { 'Filer-Min-Position': position })).status).to.equal(200);
    const [origin, seq] = position.split(':');
    const next = tree.get('/later?wait=10s', { 'Filer-Min-Position': `${origin}:${Number(seq) + 1}` });
    await waitFor(() => tree.filer.log.waiters.count > 0, { what: 'the read to wait' });
    await tree.put('/later', 'y');
    expect((await next).text).to.equal('y');
  });

  it('answers 503 with how far it is when the position does not come', async () => {
    const answer = await tree.get('/dir/file?wait=1ms', { 'Filer-Min-Position': 'ffffffffffffffff:9' });
    expect([answer.status, answer.json['code']]).to.deep.equal([503, 'POSITION_BEHIND']);
    expect(answer.json['position']).to.match(new RegExp(`${tree.filer.log.identity.origin}:\\d+`));
    expect(answer.headers['retry-after']).to.equal('1');
  });
});

describe('a filer that shows less of its directories', () => {
  const start = async (directories: DirectoryOptions): Promise<LocalTree> => {
    const tree = await LocalTree.start({ directories });
    await plant(tree);
    return tree;
  };
  const statuses = (tree: LocalTree, targets: string[]) => Promise.all(targets.map(async (target) => (await tree.get(target)).status));

  it('lists none, or shows nothing of them', async () => {
    const targets = ['/', '/dir', '/dir?metadata=true', '/dir/file', '/dir/file?metadata=true'];
    for (const [listed, exposed, expected] of [
      [false, true, [403, 403, 200, 200, 200]],
      [true, false, [403, 403, 403, 200, 200]],
    ] as const) {
      const tree = await start({ listed, exposed });
      try {
        expect(await statuses(tree, targets)).to.deep.equal(expected);
        expect(codeOf(await tree.get('/dir'))).to.equal('LISTING_DISABLED');
      } finally {
        await tree.stop();
      }
    }
  });

  it('keeps pages within its limit', async () => {
    const tree = await start({ listed: true, exposed: true, dirListLimit: 1 });
    try {
      expect((await tree.get('/')).json).to.include({ Limit: 1, LastFileName: 'dir', ShouldDisplayLoadMore: true });
      expect((await tree.get('/?limit=2')).status).to.equal(400);
    } finally {
      await tree.stop();
    }
  });
});
