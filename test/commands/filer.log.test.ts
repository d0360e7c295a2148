import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import FilerLog from '../../src/commands/filer.log.js';
import { freePort } from '../support/cluster.js';
import { runCommand } from '../support/run-command.js';

const [own, near, far, link] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(16)) as [string, string, string, string];
const told = {
  origin: own,
  changes: 1200,
  bytes: 345_678,
  bytesMax: 8 * 2 ** 30,
  oldest: '2026-11-20T10:00:00.000Z',
  retentionSeconds: 168 * 3600,
  retentionMaxSeconds: 720 * 3600,
  first: 'abcdef010000000000000001',
  head: 'abcdef010000000000001200',
  heldBy: [
    { origin: far, address: '127.0.0.1:8890', reason: 'report', position: { [own]: 7 } },
    { origin: link, address: null, reason: 'link', position: null },
  ],
  peers: [
    { origin: near, address: '127.0.0.1:8889', reportAge: 2.4, missing: { events: 0, bytes: 0 }, budgetSeconds: 90_000 },
    { origin: far, address: '127.0.0.1:8890', reportAge: null, missing: { events: 1193, bytes: 300_000 }, budgetSeconds: null },
  ],
  tombstones: { count: 4, oldest: '2026-11-21T10:00:00.000Z', heldBy: [{ origin: far, address: '127.0.0.1:8890', reason: 'silent', position: null }] },
  floor: 0,
  closed: [],
};

/** What the command makes of an answer; that filers give such answers is tested with the route. */
describe('kelp filer.log', () => {
  let server: Server;
  let filer: string;
  let answer: unknown = told;

  before(async () => {
    server = createServer((request, response) => {
      const isKnown = request.url === '/.filer/v1/log';
      response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    filer = `--filer=127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  it('shows size, span, who holds what back, and how long each peer may stay away', async () => {
    const { code, stdout, stderr } = await runCommand(FilerLog, [filer]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout.split('\n')).to.deep.equal([
      'WHAT\tVALUE',
      'changes\t1200',
      `bytes\t345678 of at most ${8 * 2 ** 30}`,
      'oldest change\t2026-11-20T10:00:00.000Z',
      'kept\t168h, at most 720h',
      `held back by\t127.0.0.1:8890 (report), ${link} (link)`,
      'tombstones\t4, since 2026-11-21T10:00:00.000Z',
      'tombstones held by\t127.0.0.1:8890 (silent)',
      'closed origins\t-',
      '',
      'PEER\tREPORT\tMISSING\tBYTES\tAWAY\tHOLDS',
      '127.0.0.1:8889\t2s ago\t0\t0\t25h\t-',
      '127.0.0.1:8890\tnone\t1193\t300000\tunknown\tlog, tombstones',
      '',
    ]);
  });

  it('prints all that the filer says under --json', async () => {
    expect(JSON.parse((await runCommand(FilerLog, [filer, '--json'])).stdout)).to.deep.equal(told);
  });

  it('names the field of an answer that makes no sense', async () => {
    answer = { ...told, peers: [{ ...told.peers[0], missing: null }] };
    const { code, stderr } = await runCommand(FilerLog, [filer]);
    expect(stderr).to.contain('peers[0].missing: must be a JSON object');
    expect(code).not.to.equal(0);
    answer = told;
  });

  it('exits 3 when the filer cannot be reached', async () => {
    expect((await runCommand(FilerLog, [`--filer=127.0.0.1:${await freePort()}`])).code).to.equal(3);
  });
});
