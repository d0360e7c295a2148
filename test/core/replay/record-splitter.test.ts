import { expect } from 'chai';
import fc from 'fast-check';
import { RecordSplitter, type InputRecord } from '../../../src/core/replay/record-splitter.js';

const bytesMax = 1000;

function split(input: string | Buffer, cuts: readonly number[] = [], from?: { bytes: number; line: number }): InputRecord[] {
  const bytes = Buffer.from(input as string);
  const splitter = new RecordSplitter(bytesMax, from);
  const places = [0, ...[...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b), bytes.length];
  const found = places.slice(1).flatMap((to, i) => splitter.push(bytes.subarray(places[i], to)));
  return [...found, ...splitter.end()];
}

const texts = (records: readonly InputRecord[]) => records.map(({ text }) => text);
const problems = (records: readonly InputRecord[]) => records.filter(({ text }) => text === null).map(({ line, problem }) => `${line}: ${problem}`);

const anyObject = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.constantFrom('{', '}', '"', '\\', '\\"', '[{', '日😀')), {
  maxKeys: 4,
  noNullPrototype: true,
});
const anyWritten = fc.array(fc.tuple(anyObject, fc.constantFrom(0, 2), fc.constantFrom('\n', '\n\n', '', ' ', '\r\n', ',\n')), { maxLength: 8 });
const anyGarbage = fc.constantFrom('', '{"half": "\n', '{"half": {\n', 'nothing\n', '}\n', '{"a":"\\\n', '\u00ff\n');

describe('RecordSplitter', () => {
  it('finds what was written one after the other, on one line or many, whatever is between and wherever the input is cut', () => {
    fc.assert(
      fc.property(anyWritten, fc.array(fc.nat()), (written, cuts) => {
        const parts = written.map(([value, indent, after]) => [JSON.stringify(value, null, indent), after] as const);
        const input = parts.map((part) => part.join('')).join('');
        const records = split(input, cuts);
        expect(texts(records)).to.deep.equal(parts.map(([text]) => text));
        const bytes = Buffer.from(input);
        for (const { start, end, text } of records) expect(bytes.toString('utf8', start, end)).to.equal(text);
      }),
    );
  });

  it('gives the same records, places and problems of a broken input however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyGarbage, anyObject), { maxLength: 6 }), fc.array(fc.nat()), (parts, cuts) => {
        const input = parts.map(([garbage, value]) => `${garbage}${JSON.stringify(value)}\n`).join('');
        expect(split(input, cuts)).to.deep.equal(split(input));
      }),
    );
  });

  it('tells on which line a record begins', () => {
    const records = split('\n{"a":1}\n{\n  "b": {}\n}\n{"c":1}{"d":1}');
    expect(records.map(({ line, text }) => [line, text])).to.deep.equal([
      [2, '{"a":1}'],
      [3, '{\n  "b": {}\n}'],
      [6, '{"c":1}'],
      [6, '{"d":1}'],
    ]);
  });

  it('takes a page of a feed, and a byte order mark', () => {
    expect(texts(split('[\n{"a":1},\n{"b":1}\n]'))).to.deep.equal(['{"a":1}', '{"b":1}']);
    expect(texts(split('\ufeff{"a":1}'))).to.deep.equal(['{"a":1}']);
  });

  it('names what is malformed, and goes on with the next record that begins a line', () => {
    const broken = split('{"a":1}\n{"b":"x\n{"c":1}\n{"d":{\n{"e":1}\nhello\nworld\n{"f":1}\n{"g":');
    expect(texts(broken)).to.deep.equal(['{"a":1}', null, '{"c":1}', null, '{"e":1}', null, '{"f":1}', null]);
    expect(problems(broken)).to.deep.equal([
      '2: a text in it does not end on its line',
      '4: it breaks off before the next one begins',
      '6: it is not a JSON object',
      '9: it breaks off at the end of the input',
    ]);
    expect(problems(split(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n{"b":1}')])))).to.deep.equal([
      '1: it is not valid UTF-8',
    ]);
  });

  it('holds no more of a record than a record may have', () => {
    const great = `{"a":"${'x'.repeat(bytesMax)}"}`;
    expect(problems(split(`${great}\n{"b":1}`))).to.deep.equal(['1: it has more than 1000 bytes']);
    const splitter = new RecordSplitter(bytesMax);
    splitter.push(Buffer.from('{"a":"'));
    for (let i = 0; i < 10; i++) splitter.push(Buffer.alloc(400, 'x'));
    expect(texts(splitter.push(Buffer.from('"}\n{"b":1}')))).to.deep.equal(['{"b":1}']);
  });

  it('goes on in the middle of an input', () => {
    const input = '{"a":1}\n{"b":1}\n{"c":1}\n';
    const [, second] = split(input) as [InputRecord, InputRecord];
    expect(split(input.slice(second.start), [], { bytes: second.start, line: second.line })).to.deep.equal(split(input).slice(1));
  });
});
