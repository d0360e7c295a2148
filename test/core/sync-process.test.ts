import { createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { silentLogger } from '../../src/core/logger.js';
import { parseScope, withSync, type Sync, type SyncProcessOptions } from '../../src/core/sync-process.js';
import type { Secrets } from '../../src/core/security/secret-file.js';
import { Signer } from '../../src/core/security/signer.js';
import { realTime } from '../../src/core/time.js';
import { failureOf } from '../support/open-log.js';
import { Processes } from '../support/processes.js';
import { waitFor } from '../support/wait-for.js';

/* Clusters of one or two filers, with real stores and real HTTP, in the process of the test. */

const never = new AbortController().signal;
const untilMs = 30_000;

interface Asked {
  readonly paths?: readonly [a: string, b: string];
  readonly excludes?: string;
  readonly deletes?: boolean;
  readonly passive?: boolean;
  readonly initial?: 'copy' | 'none';
}

function optionsFor(a: readonly string[], b: readonly string[], asked: Asked = {}): SyncProcessOptions {
  const { paths: [from, to] = ['/', '/'], excludes = '', deletes = true, passive = false, initial = 'copy' } = asked;
  const direction = (one: string, other: string, excluded: string) => ({
    scope: parseScope({ from: ['from', one], to: ['to', other], excludes: ['excludes', excluded], deletes, ttlSec: 0 }),
    start: { initial, since: null },
  });
  return {
    a: { addresses: a },
    b: { addresses: b },
    aToB: direction(from, to, excludes),
    bToA: passive ? null : direction(to, from, ''),
    changesMax: 1000,
    bytesPerSecond: null,
    maxDelete: null,
    port: null,
    program: 'test',
    time: realTime,
    logger: silentLogger,
  };
}

describe('a sync of two clusters', function () {
  this.timeout(60_000);
  const processes = new Processes();
  after(() => processes.stopAll());

  const cluster = async (filers: number): Promise<FilerProcess[]> => {
    const master = await processes.master();
    const all = await Promise.all(Array.from({ length: filers }, () => processes.filer({ masters: [master.address] })));
    // One that is still empty when it meets another takes a snapshot, and no writes meanwhile.
    const follow = ({ filer: { aggregator } }: FilerProcess) =>
      aggregator.subscriptions.length === filers - 1 && aggregator.subscriptions.every(({ state }) => state === 'following');
    await waitFor(() => all.every(follow), { what: 'all to follow each other', timeoutMs: untilMs });
    return all;
  };
  const put = (filer: FilerProcess, path: string, content: string) => processes.send(filer, 'PUT', path, content);
  const remove = (filer: FilerProcess, path: string) => processes.send(filer, 'DELETE', `${path}?recursive=true`);
  const move = (filer: FilerProcess, from: string, to: string) => processes.send(filer, 'POST', `${to}?mv.from=${from}`);
  const read = async (filer: FilerProcess, path: string): Promise<string | null> =>
    processes.send(filer, 'GET', path).then(
      (answer) => answer.text(),
      () => null,
    );
  const addresses = (filers: readonly FilerProcess[]) => filers.map(({ address }) => address);
  const settle = (a: readonly FilerProcess[], b: readonly FilerProcess[], asked?: Asked): Promise<boolean> =>
    withSync(optionsFor(addresses(a.slice(0, 1)), addresses(b.slice(0, 1)), asked), never, (sync: Sync) => sync.runUntilEqual(untilMs, 50, never));
  const changesOf = (filers: readonly FilerProcess[]) => filers.map(({ filer }) => filer.log.state.counts.changes);

  it('copies both ways at first, follows, carries conflicts to one winner, and then rests', async () => {
    const [a, b] = [await cluster(2), await cluster(2)] as [FilerProcess[], FilerProcess[]];
    const [a1, a2, b1, b2] = [...a, ...b] as [FilerProcess, FilerProcess, FilerProcess, FilerProcess];
    await put(a1, '/docs/from-a', 'a');
    await put(b2, '/docs/from-b', 'b');
    await put(a2, '/docs/both', 'older');
    await put(b1, '/docs/both', 'newer');
    expect(await settle(a, b)).to.equal(true);
    for (const filer of [a1, a2, b1, b2]) {
      expect([await read(filer, '/docs/from-a'), await read(filer, '/docs/from-b'), await read(filer, '/docs/both')]).to.deep.equal(['a', 'b', 'newer']);
    }
    await put(a2, '/docs/later', 'later');
    await remove(b1, '/docs/from-a');
    await move(a1, '/docs/both', '/moved');
    expect(await settle(a, b)).to.equal(true);
    for (const filer of [a1, a2, b1, b2]) {
      expect([await read(filer, '/docs/later'), await read(filer, '/docs/from-a'), await read(filer, '/moved')]).to.deep.equal(['later', null, 'newer']);
    }
    const before = changesOf([a1, b1]);
    expect(await settle(a, b)).to.equal(true);
    expect(changesOf([a1, b1])).to.deep.equal(before);
  });

  it('maps one directory onto another, leaves out what is excluded, and makes creates and deletes of moves over the border', async () => {
    const [[a], [b]] = [await cluster(1), await cluster(1)] as [[FilerProcess], [FilerProcess]];
    await put(a, '/x/in', '1');
    await put(a, '/x/tmp/not', '1');
    await put(a, '/outside', '1');
    const asked = { paths: ['/x', '/deep/y'], excludes: '/x/tmp' } as const;
    expect(await settle([a], [b], asked)).to.equal(true);
    expect([await read(b, '/deep/y/in'), await read(b, '/deep/y/tmp/not'), await read(b, '/outside')]).to.deep.equal(['1', null, null]);
    await move(a, '/x/in', '/gone');
    await move(a, '/outside', '/x/came');
    await put(b, '/deep/y/back', '2');
    expect(await settle([a], [b], asked)).to.equal(true);
    expect([await read(b, '/deep/y/in'), await read(b, '/deep/y/came'), await read(a, '/x/back')]).to.deep.equal([null, '1', '2']);
  });

  it('keeps what the other side deleted if deletes are withheld, also after another start', async () => {
    const [[a], [b]] = [await cluster(1), await cluster(1)] as [[FilerProcess], [FilerProcess]];
    await put(a, '/kept', '1');
    await put(a, '/old-name', '2');
    const asked = { deletes: false, passive: true };
    expect(await settle([a], [b], asked)).to.equal(true);
    await remove(a, '/kept');
    await move(a, '/old-name', '/new-name');
    for (let start = 0; start < 2; start += 1) {
      expect(await settle([a], [b], asked)).to.equal(true);
      expect([await read(b, '/kept'), await read(b, '/old-name'), await read(b, '/new-name')]).to.deep.equal(['1', '2', '2']);
    }
  });

  it('signs for each cluster with the secret of that cluster', async () => {
    const secretsOf = (text: string): Secrets => ({ all: [createSecretKey(Buffer.from(text.repeat(4)))] });
    const [ofA, ofB] = [secretsOf('secret of a '), secretsOf('secret of b ')];
    const [a, b] = [await processes.filer({ secrets: ofA }), await processes.filer({ secrets: ofB })];
    await put(a, '/signed', '1');
    const run = (secretsForB: Secrets) => {
      const { a: sideA, b: sideB, ...rest } = optionsFor([a.address], [b.address], { passive: true });
      const signed = (side: typeof sideA, secrets: Secrets) => ({ ...side, signer: new Signer({ secrets, time: realTime }) });
      return withSync({ ...rest, a: signed(sideA, ofA), b: signed(sideB, secretsForB) }, never, (sync) => sync.runUntilEqual(untilMs, 50, never));
    };
    expect((await failureOf(() => run(ofA))).code).to.equal('SIGNATURE_INVALID');
    expect(await run(ofB)).to.equal(true);
    expect(await read(b, '/signed')).to.equal('1');
  });

  it('refuses two filers of one cluster whose paths overlap, and two maps onto one place', async () => {
    const [[a1, a2], [b]] = [await cluster(2), await cluster(1)] as [[FilerProcess, FilerProcess], [FilerProcess]];
    expect((await failureOf(() => settle([a1], [a2]))).code).to.equal('USAGE');
    await put(a1, '/x/1', '1');
    expect(await settle([a1], [b], { paths: ['/x', '/z'], passive: true })).to.equal(true);
    const failure = await failureOf(() => settle([a1], [b], { paths: ['/y', '/z/deep'], passive: true }));
    expect([failure.code, failure.message]).to.satisfy(([code, message]: string[]) => code === 'USAGE' && message?.includes('--reset='));
  });
});
