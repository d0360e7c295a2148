import { expect } from 'chai';
import fc from 'fast-check';
import { directoryDigestsFromJson, directoryDigestsToJson, type DirectoryDigests } from '../../../../src/core/api/meta/directory-digests.js';
import { formatAfter } from '../../../../src/core/api/meta/snapshot-page.js';
import { addToSum, bucketOf } from '../../../../src/core/change/digest.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { DirectorySum } from '../../../../src/core/store/store.js';
import { anyPath, anyPosition } from '../../../support/arbitrary.js';
import { failureOf, p } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

const overTheWire = (page: DirectoryDigests): unknown => JSON.parse(JSON.stringify(directoryDigestsToJson(page)));

describe('digests of directories', () => {
  it('are read as they were written', () => {
    const anySum = fc.record({
      directory: anyPath,
      entries: fc.nat(),
      sum: fc.oneof(fc.constantFrom(0, 1, 2 ** 48 - 1), fc.integer({ min: 0, max: 2 ** 48 - 1 })),
    });
    const anyPage = fc.record({
      position: anyPosition,
      bucket: fc.integer({ min: 0, max: 255 }),
      sums: fc.array(anySum, { maxLength: 4 }),
      next: fc.option(anyPath),
    });
    fc.assert(
      fc.property(anyPage, (page) => {
        expect(directoryDigestsFromJson(overTheWire(page))).to.deep.equal(page);
      }),
    );
  });

  it('name the field that is wrong, and the directory it is of', async () => {
    const good = { position: {}, bucket: 7, directories: [{ path: '/a', entries: 2, digest: '0123456789ab' }], next: null };
    const [directory] = good.directories;
    const of = (change: object) => ({ directories: [directory, { ...directory, ...change }] });
    const wrong: [change: object, field: string][] = [
      [{ bucket: 256 }, 'bucket'],
      [{ bucket: -1 }, 'bucket'],
      [{ bucket: '7' }, 'bucket'],
      [{ position: { me: 1 } }, 'position.me'],
      [{ directories: {} }, 'directories'],
      [{ directories: [null] }, 'directories[0]'],
      [of({ path: 'a' }), 'directories[1].path'],
      [of({ path: '/a/' }), 'directories[1].path'],
      [of({ path: '/a/../b' }), 'directories[1].path'],
      [of({ path: undefined }), 'directories[1].path'],
      [of({ entries: -1 }), 'directories[1].entries'],
      [of({ entries: 2 ** 53 }), 'directories[1].entries'],
      [of({ digest: '0123456789AB' }), 'directories[1].digest'],
      [of({ digest: '0123456789ab0' }), 'directories[1].digest'],
      [{ next: '!' }, 'next'],
      [{ next: 7 }, 'next'],
    ];
    for (const [change, field] of wrong) {
      const error = await failureOf(() => directoryDigestsFromJson({ ...good, ...change }));
      expect(error.code, JSON.stringify(change)).to.equal('BODY_INVALID');
      expect(error.message, JSON.stringify(change)).to.satisfy((message: string) => message.startsWith(`${field}: `));
    }
    expect((await failureOf(() => directoryDigestsFromJson([]))).message).to.match(/^the body: /);
  });
});

describe('GET digest?bucket=', () => {
  const processes = new Processes();
  const path = '/.filer/v1/digest';
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    // Directories of one bucket, with what is in them; the last one is emptied again.
    for (const directory of directories) for (let n = 0; n <= directories.indexOf(directory); n += 1) await send('PUT', `${directory}/f${n}`, 'x');
    await send('PUT', `${emptied}/gone`, 'x');
    await send('DELETE', `${emptied}/gone`);
  });
  after(() => processes.stopAll());

  const bucket = 7;
  const [emptied = '', ...directories] = Array.from({ length: 2000 }, (_, n) => `/d${n}`)
    .filter((name) => bucketOf(p(name)) === bucket)
    .slice(0, 4)
    .sort();
  const send = (method: string, target: string, body?: string) => processes.send(filer, method, target, body);
  const read = async (query: string) => directoryDigestsFromJson((await send('GET', `${path}?${query}`)).json());

  it('gives each directory that holds something, in order; together they are what the bucket is', async () => {
    const page = await processes.meta(filer).directoryDigests(bucket, null);
    expect(page.sums.map(({ directory, entries }) => [directory, entries])).to.deep.equal(directories.map((directory, index) => [directory, index + 1]));
    expect({ bucket: page.bucket, next: page.next, position: page.position }).to.deep.equal({ bucket, next: null, position: filer.filer.log.position });
    expect(page.sums.reduce((sum, one) => addToSum(sum, one.sum), 0)).to.equal(filer.filer.log.state.buckets[bucket]);
  });

  it('gives them page by page, each once', async () => {
    const all = (await read(`bucket=${bucket}`)).sums;
    const found: DirectorySum[] = [];
    let after = '';
    for (;;) {
      const { sums, next } = await read(`bucket=${bucket}&limit=1${after}`);
      found.push(...sums);
      if (next === null) break;
      after = `&after=${formatAfter(next)}`;
    }
    expect(found).to.deep.equal(all).and.to.have.length(3);
  });

  it('refuses values that make no sense, naming the parameter', async () => {
    for (const query of ['bucket=256', 'bucket=-1', 'bucket=x', 'bucket=', 'bucket=7&limit=0', 'bucket=7&limit=5001', 'bucket=7&after=!', 'bucket=7&after=']) {
      const error = await failureOf(() => read(query));
      expect(error, query).to.deep.include({ code: 'PARAMETER_INVALID' });
      expect(error.message, query).to.match(new RegExp(`^${/(\w+)=[^=]*$/.exec(query)?.[1]}: `));
    }
  });
});
