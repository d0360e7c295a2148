import { expect } from 'chai';
import fc from 'fast-check';
import { encodeChangePage } from '../../../../src/core/change/page.js';
import { decodeChangeLines, decodeChangePage, linesOf, noLines, textsOf } from '../../../../src/core/api/meta/change-page.js';
import { encodeChange } from '../../../../src/core/change/codec.js';
import type { FilerError } from '../../../../src/core/errors.js';
import { anyChange } from '../../../support/arbitrary.js';
import { refusalOf } from '../../../support/refusal-of.js';

const notes = { oldEntry: null, deleteChunks: false, signatures: ['1111111111111111'] };
const anyText = anyChange.map((change) => encodeChange(change, notes));

/** As a socket gives it. */
function piecesOf(text: string, size: number): Buffer[] {
  const body = Buffer.from(text);
  return Array.from({ length: Math.ceil(body.length / size) }, (_, index) => Buffer.from(body.subarray(index * size, (index + 1) * size)));
}

type Decode = (page: string, from: string) => string[];

const asLines: Decode = (page, from) => textsOf(decodeChangeLines(piecesOf(page, 7), from));

describe('a page of changes', () => {
  it('gives back the text of each change as it went in, as lines too, in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (texts, size) => {
        expect(decodeChangePage(encodeChangePage(texts), 'x')).to.deep.equal(texts);
        const lines = decodeChangeLines(piecesOf(encodeChangePage(texts), size), 'x');
        expect(Buffer.concat(lines.pieces).toString()).to.equal(texts.map((text) => `${text}\n`).join(''));
        expect(lines.count).to.equal(texts.length);
        expect(textsOf(lines)).to.deep.equal(texts);
      }),
      { numRuns: 50 },
    );
    const page = encodeChangePage(['{"a":"]"}', '{"b":[1]}']);
    for (let size = 1; size < page.length; size++)
      expect(textsOf(decodeChangeLines(piecesOf(page, size), 'x')), String(size)).to.deep.equal(['{"a":"]"}', '{"b":[1]}']);
  });

  it('is read in any other form of JSON too', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), fc.constantFrom(undefined, 1, 2), (texts, indent) => {
        const values = texts.map((text) => JSON.parse(text) as unknown);
        const pretty = JSON.stringify(values, null, indent);
        expect(decodeChangePage(pretty, 'x').map((text) => JSON.parse(text) as unknown)).to.deep.equal(values);
        expect(textsOf(decodeChangeLines(piecesOf(pretty, 100), 'x'))).to.deep.equal(decodeChangePage(pretty, 'x'));
      }),
      { numRuns: 50 },
    );
  });

  it('says the same in both ways of reading, wherever a byte of it was changed', () => {
    const page = encodeChangePage(['{"a":"]"}', '{"b":[1],"c":{}}', '{}']);
    const outcome = (decode: Decode, text: string) => {
      try {
        return decode(text, 'x');
      } catch (error) {
        return (error as FilerError).code;
      }
    };
    for (let at = 0; at <= page.length; at++) {
      for (const put of ['', '\n', ',', '{', '}', ']', '"', ' ', '\r', ',\n'])
        for (const taken of [0, 1]) {
          const damaged = page.slice(0, at) + put + page.slice(at + taken);
          expect(outcome(asLines, damaged), damaged).to.deep.equal(outcome(decodeChangePage, damaged));
        }
    }
  });

  for (const [name, decode] of Object.entries({ decodeChangePage, decodeChangeLines: asLines })) {
    describe(`for ${name}`, () => {
      it('is empty where it holds nothing, with blanks around or within', () => {
        for (const page of ['[]', ' []\n', '[ ]', '[\n]', '[\n\n]', '\ufeff[]']) expect(decode(page, 'x'), JSON.stringify(page)).to.deep.equal([]);
      });

      it('keeps the text of a change to the byte, numbers that no number holds too', () => {
        const texts = ['{"n":9007199254740993,"e":1.50}', '{ "b" : "\\u00e9" , "a" : "😀\u2028" }'];
        expect(decode(encodeChangePage(texts), 'x')).to.deep.equal(texts);
      });

      it('that broke off is no page, wherever it was cut, and the failure names who sent it', () => {
        const whole = encodeChangePage(['{"a":"]"}', '{"b":[1]}']);
        for (let end = 0; end < whole.length; end++) {
          const error = refusalOf(() => decode(whole.slice(0, end), 'host:1'));
          expect(error, whole.slice(0, end)).to.deep.include({ code: 'PEER_UNREACHABLE', fields: { peer: 'host:1' } });
          expect(error.message).to.equal('the answer of host:1 broke off in the middle of a page');
        }
      });

      it('holds objects only, and names the one that is none', () => {
        for (const other of ['1', 'null', '"{}"', 'true', '[1]', '[{}]']) {
          const error = refusalOf(() => decode(`[{"a":1}, ${other}]`, 'x'));
          expect(error, other).to.deep.include({ code: 'BODY_INVALID', fields: { field: 'changes[1]' } });
        }
      });
    });
  }
});

describe('changes as lines', () => {
  it('are made of texts and give them back', () => {
    const texts = ['{"a":"ü😀"}', '{}', '{"b":[1]}'];
    const { pieces, count } = linesOf(texts);
    expect([Buffer.concat(pieces).toString(), count]).to.deep.equal(['{"a":"ü😀"}\n{}\n{"b":[1]}\n', 3]);
    expect(textsOf(linesOf(texts))).to.deep.equal(texts);
    expect([linesOf([]), textsOf(noLines)]).to.deep.equal([noLines, []]);
  });
});
