import { expect } from 'chai';
import { FilerError } from '../../../src/core/errors.js';
import { Query, readBoolean, readDuration, readHex, readInteger, readTimestamp, readWord } from '../../../src/core/http/params.js';

/** The message of the PARAMETER_INVALID that `read` must throw. */
function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).to.be.instanceOf(FilerError);
    expect((error as FilerError).code).to.equal('PARAMETER_INVALID');
    return (error as FilerError).message;
  }
  throw new Error('it was accepted');
}

describe('Query', () => {
  it('decodes names and values, and takes a plus for a space', () => {
    const query = new Query('mv.from=%2Fa%2Fb+c&tagging&x%20y=1&empty=');
    expect(query.get('mv.from')).to.equal('/a/b c');
    expect(query.get('tagging')).to.equal('');
    expect(query.get('empty')).to.equal('');
    expect(query.get('x y')).to.equal('1');
    expect(query.get('absent')).to.equal(null);
    expect(query.has('tagging')).to.equal(true);
  });

  it('refuses a repeated name only when it is asked for', () => {
    const query = new Query('limit=1&limit=2&other=3');
    expect(query.get('other')).to.equal('3');
    expect(refusal(() => query.get('limit'))).to.match(/^limit: stands more than once/);
  });

  it('refuses values that are not UTF-8', () => {
    for (const value of ['%ff', '%', '%zz', '%ed%a0%80']) expect(refusal(() => new Query(`a=${value}`).get('a'))).to.contain('UTF-8');
  });

  it('takes names like __proto__ as names', () => {
    expect(new Query('').get('__proto__')).to.equal(null);
    expect(new Query('__proto__=1').get('__proto__')).to.equal('1');
  });
});

describe('parameters', () => {
  it('are whole numbers within their bounds', () => {
    const read = (text: string) => readInteger(new Query(text), 'limit', { min: 1, max: 10_000, fallback: 1000 });
    expect(read('')).to.equal(1000);
    expect(read('limit=10000')).to.equal(10_000);
    for (const bad of ['0', '10001', '-1', '1.5', '1e3', '', 'ten', '9'.repeat(40)])
      expect(refusal(() => read(`limit=${bad}`))).to.match(/^limit: "9*.*" is not a whole number from 1 to 10000$/);
  });

  it('shorten a long bad value', () => {
    expect(refusal(() => readInteger(new Query(`n=${'x'.repeat(5000)}`), 'n', { min: 0, max: 1, fallback: 0 })).length).to.be.below(150);
  });

  it('are durations up to a bound', () => {
    const read = (text: string) => readDuration(new Query(text), 'timeout', { msMax: 60_000, fallback: null });
    expect(read('')).to.equal(null);
    expect(read('timeout=1.5s')).to.equal(1500);
    expect(refusal(() => read('timeout=61s'))).to.contain('at most 60s');
  });

  it('are times, truths, ids and words', () => {
    expect(readTimestamp(new Query('since=1970-01-01T00:00:01Z'), 'since')).to.equal(1_000_000);
    expect(refusal(() => readTimestamp(new Query('since=yesterday'), 'since'))).to.contain('RFC 3339');
    expect([new Query('p'), new Query('p=y'), new Query('p=true'), new Query('p=0'), new Query('')].map((query) => readBoolean(query, 'p'))).to.deep.equal([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(refusal(() => readBoolean(new Query('p=maybe'), 'p'))).to.contain('true or false');
    expect(readHex(new Query('o=00ff'), 'o', 4)).to.equal('00ff');
    expect(refusal(() => readHex(new Query('o=00FF'), 'o', 4))).to.contain('4 lower-case hex digits');
    expect(readWord(new Query('live=sse'), 'live', ['long-poll', 'sse'])).to.equal('sse');
    expect(refusal(() => readWord(new Query('live=always'), 'live', ['long-poll', 'sse']))).to.contain('long-poll or sse');
  });
});
