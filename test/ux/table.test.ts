import { expect } from 'chai';
import { renderTable, type Column } from '../../src/ux/table.js';

interface Peer {
  name: string;
  behind: number | null;
  error: string;
}

const columns: Column<Peer>[] = [
  { header: 'PEER', value: (peer) => peer.name },
  { header: 'BEHIND', value: (peer) => peer.behind, align: 'right', dropOrder: 1 },
  { header: 'ERROR', value: (peer) => peer.error, dropOrder: 2 },
];
const rows: Peer[] = [
  { name: 'localhost:8888', behind: 7, error: '' },
  { name: 'localhost:8889', behind: null, error: 'refused' },
];

describe('renderTable', () => {
  it('separates by tabs in a pipe, headings first', () => {
    expect(renderTable(columns, rows, { width: null })).to.equal('PEER\tBEHIND\tERROR\nlocalhost:8888\t7\t\nlocalhost:8889\t-\trefused\n');
  });

  it('aligns on a terminal, without borders and colours', () => {
    expect(renderTable(columns, rows, { width: 80 })).to.equal(
      ['PEER            BEHIND  ERROR', 'localhost:8888       7', 'localhost:8889       -  refused', ''].join('\n'),
    );
  });

  it('drops columns of low worth where the terminal is narrow', () => {
    expect(renderTable(columns, rows, { width: 24 })).to.equal(['PEER            BEHIND', 'localhost:8888       7', 'localhost:8889       -', ''].join('\n'));
    expect(renderTable(columns, rows, { width: 16 })).to.equal(['PEER', 'localhost:8888', 'localhost:8889', ''].join('\n'));
  });

  it('cuts the last column where nothing is left to drop', () => {
    expect(renderTable(columns, rows, { width: 8 })).to.equal(['PEER', 'localho…', 'localho…', ''].join('\n'));
  });

  it('escapes what would steer a terminal or break a row', () => {
    const hostile = [{ name: 'a\u001b[31m\tb\nc\u202ed', behind: 0, error: '\u009b2J' }];
    expect(renderTable(columns, hostile, { width: null })).to.contain('a\\x1b[31m\\x09b\\x0ac\\u{202e}d\t0\t\\x9b2J\n');
    expect(renderTable(columns, hostile, { width: 80 })).to.contain('a\\x1b[31m\\x09b\\x0ac\\u{202e}d');
  });

  it('counts wide and combining characters as terminals do', () => {
    const table = renderTable(
      columns,
      [
        { name: '漢字', behind: 1, error: 'x' },
        { name: 'e\u0301', behind: 2, error: 'y' },
      ],
      { width: 80 },
    );
    expect(table).to.equal(['PEER  BEHIND  ERROR', '漢字       1  x', 'e\u0301          2  y', ''].join('\n'));
  });

  it('has no line that is wider than the terminal, however narrow, and keeps the ports of addresses', () => {
    const wide = [
      { header: 'FILER', value: () => '127.99.7.1:8888', keepsEnd: true },
      { header: 'STATE', value: () => 'following' },
      { header: 'BEHIND', value: () => 12, align: 'right' as const },
      { header: 'ERROR', value: () => 'cannot reach 127.99.7.1:8888 (connection refused)' },
    ];
    for (const width of [20, 30, 40, 80]) {
      for (const line of renderTable(wide, [{}], { width }).trimEnd().split('\n')) expect(line.length, line).to.be.at.most(width);
    }
    expect(renderTable(wide, [{}], { width: 34 })).to.match(/^\S*…\S*:8888 /m);
  });
});
