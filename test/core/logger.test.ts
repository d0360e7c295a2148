import { expect } from 'chai';
import { createLogger, logLevels, silentLogger, type LogLevel } from '../../src/core/logger.js';

const linesAt = (level: LogLevel, message = 'm'): string[] => {
  const lines: string[] = [];
  const logger = createLogger({ level, write: (line) => lines.push(line), now: () => new Date(0) });
  logger.debug(message);
  logger.info(message);
  logger.warn(message);
  logger.error(message);
  return lines;
};

describe('createLogger', () => {
  it('writes time, level, namespace and message', () => {
    expect(linesAt('warn', 'the fact')).to.deep.equal(['1970-01-01T00:00:00.000Z warn  kelp: the fact', '1970-01-01T00:00:00.000Z error kelp: the fact']);
  });

  it('writes what is at its level or above', () => {
    expect(logLevels.map((level) => linesAt(level).length)).to.deep.equal([4, 3, 2, 1, 0]);
  });

  it('keeps one fact on one line, and terminals safe', () => {
    expect(linesAt('error', 'a\nb\u001b[31m\u0085c\u007f')[0]).to.match(/: a\\x0ab\\x1b\[31m\\x85c\\x7f$/);
  });

  it('lengthens the namespace of its children', () => {
    const lines: string[] = [];
    createLogger({ level: 'info', write: (line) => lines.push(line), now: () => new Date(0) })
      .child('peer')
      .child('x')
      .info('m');
    expect(lines[0]).to.match(/ kelp\.peer\.x: m$/);
  });
});

describe('silentLogger', () => {
  it('says nothing, as do its children', () => {
    const child = silentLogger.child('a');
    for (const say of [child.debug, child.info, child.warn, child.error]) expect(say('m')).to.equal(undefined);
  });
});
