import { expect } from 'chai';
import fc from 'fast-check';
import { readFormFile } from '../../../../src/core/api/filer/form.js';
import { isFailure } from '../../../../src/core/errors.js';
import { failureOf } from '../../../support/open-log.js';

const type = 'multipart/form-data; boundary=b';
const part = (disposition: string, content: string, contentType = '') =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n${contentType && `Content-Type: ${contentType}\r\n`}\r\n${content}\r\n`;
const read = (form: string | Buffer, contentType: string | undefined = type, bytesMax = 100) => readFormFile(Buffer.from(form), contentType, bytesMax);

describe('a multipart form', () => {
  it('gives its first file, whatever stands around it', async () => {
    const form = `${part('name="note"', 'x')}${part('name="f"; filename="a.txt"', 'hello\r\n--c', 'text/html')}${part('name="g"; filename="b.txt"', 'second')}--b--\r\n`;
    expect(await read(form)).to.deep.equal({ name: 'a.txt', mime: 'text/html', content: Buffer.from('hello\r\n--c') });
  });

  it('keeps bytes and names that are not ASCII', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    const form = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="f"; filename="dir/ü.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'),
      bytes,
      Buffer.from('\r\n--b--\r\n'),
    ]);
    expect(await read(form)).to.deep.equal({ name: 'ü.bin', mime: 'application/octet-stream', content: bytes });
  });

  it('takes an empty file', async () => {
    expect((await read(`${part('name="f"; filename="a"', '')}--b--\r\n`)).content).to.have.length(0);
  });

  it('takes a file of exactly the limit and refuses one byte more', async () => {
    expect((await read(`${part('name="f"; filename="a"', 'x'.repeat(100))}--b--\r\n`)).content).to.have.length(100);
    expect((await failureOf(() => read(`${part('name="f"; filename="a"', 'x'.repeat(101))}--b--\r\n`))).code).to.equal('BODY_TOO_LARGE');
  });

  const whole = `${part('name="f"; filename="a"', 'hello')}--b--\r\n`;
  for (const [what, form, contentType] of [
    ['no type', whole, undefined],
    ['another type', whole, 'application/x-www-form-urlencoded'],
    ['no boundary', whole, 'multipart/form-data'],
    ['another boundary', whole, 'multipart/form-data; boundary=c'],
    ['nothing in it', '', type],
    ['only fields', `${part('name="f"', 'hello')}--b--\r\n`, type],
    ['a cut file', whole.slice(0, 60), type],
    ['a cut header', whole.slice(0, 20), type],
    ['too many parts before its file', `${part('name="x"', '1').repeat(100)}${whole}`, type],
  ] as const) {
    it(`with ${what} is refused`, async () => {
      expect((await failureOf(() => readFormFile(Buffer.from(form), contentType, 100))).code).to.equal('BODY_INVALID');
    });
  }

  it('that is broken anywhere is read or refused, and neither hangs nor crashes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length * 2), fc.constantFrom('\r\n', '--b', '--b--', '"', ';', '\0', ':', 'x')), { maxLength: 6 }),
        async (edits) => {
          let form = part('name="n"', 'v') + whole;
          for (const [at, text] of edits) form = form.slice(0, at) + text + form.slice(at + 1);
          await read(form).catch((error: unknown) => {
            if (!isFailure(error, 'BODY_INVALID', 'BODY_TOO_LARGE')) throw error;
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});
