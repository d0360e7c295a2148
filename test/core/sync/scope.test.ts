import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import { ImportReader, type ImportedChange } from '../../../src/core/change/imported.js';
import { mapChange, mapPath, mapRow, type Mapped, type Scope } from '../../../src/core/sync/scope.js';
import { codeOf, file, mode, openLog, p, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const whole: Scope = { from: p('/'), to: p('/'), excludes: [], deletes: true, ttlSec: 0 };
const cluster = 'cccccccccccccccc';

describe('mapPath', () => {
  const cases: [scope: Partial<Scope>, path: string, mapped: string | null][] = [
    [{}, '/a/b', '/a/b'],
    [{}, '/', null],
    [{}, '/.filer/sync/x', null],
    [{ from: p('/x'), to: p('/y') }, '/x', '/y'],
    [{ from: p('/x'), to: p('/y') }, '/x/a', '/y/a'],
    [{ from: p('/x'), to: p('/y') }, '/xa', null],
    [{ from: p('/x') }, '/x/a/b', '/a/b'],
    [{ from: p('/x') }, '/x', null],
    [{ from: p('/x') }, '/x/.filer/a', null],
    [{ to: p('/y') }, '/a', '/y/a'],
    [{ excludes: [p('/a')] }, '/a/b', null],
    [{ excludes: [p('/a')] }, '/a', null],
    [{ excludes: [p('/a')] }, '/ab', '/ab'],
  ];
  for (const [scope, path, mapped] of cases)
    it(`puts ${path} at ${mapped ?? 'no place'} with ${JSON.stringify(scope)}`, () => {
      expect(mapPath({ ...whole, ...scope }, p(path))).to.equal(mapped);
    });

  it('refuses what the target may not have', async () => {
    expect(await codeOf(() => mapPath({ ...whole, from: p('/x') }, p('/x/metrics')))).to.equal('RESERVED_PATH');
    expect(await codeOf(() => mapPath({ ...whole, to: p(`/${'d'.repeat(200)}`) }, p(`/${Array(20).fill('n'.repeat(200)).join('/')}`)))).to.equal(
      'NAME_TOO_LONG',
    );
  });
});

describe('mapChange and mapRow', () => {
  let at: OpenLog;

  before(async () => {
    at = await openLog();
  });

  /** The last change of the log, mapped. */
  const last = async (scope: Partial<Scope>): Promise<Mapped> => {
    const { records } = await read(at);
    return mapChange({ ...whole, ...scope }, decodeChange((records.at(-1) as { text: string }).text), cluster);
  };
  const imported = (mapped: Mapped): ImportedChange => {
    if (mapped.kind !== 'change') throw new Error(`it is ${mapped.kind}`);
    return new ImportReader().read(JSON.parse(mapped.text)) as ImportedChange;
  };
  const row = async (path: string) => (await rowsIn(at.store)).find((one) => one.path === path);

  it('leave a change as it is but for the clusters it came through, if the scope is the whole tree', async () => {
    await at.tree.put(p('/a'), file('1'), mode);
    const change = imported(await last({}));
    const { version, author, vector, entry } = (await row('/a')) as NonNullable<Awaited<ReturnType<typeof row>>>;
    expect(change).to.deep.include({ version, author, vector, newEntry: entry, oldPath: null, newPath: '/a', clusters: [cluster] });
  });

  it('give an entry the name it has in the target, and keep version, author and vector', async () => {
    await at.tree.put(p('/one'), file('1'), mode);
    const change = imported(await last({ from: p('/one'), to: p('/d/two') }));
    expect(JSON.parse(change.newEntry as string)).to.include({ name: 'two' });
    expect(change).to.include({ newPath: '/d/two', version: (await row('/one'))?.version });
  });

  it('make a delete of a move out of the scope, a create of one into it', async () => {
    await at.tree.put(p('/in/1'), file('1'), mode);
    await at.tree.move(p('/in/1'), p('/out/1'));
    const gone = imported(await last({ from: p('/in'), to: p('/in') }));
    expect(gone).to.deep.include({ oldPath: '/in/1', newPath: null, vector: (await row('/in/1'))?.vector });
    const came = imported(await last({ from: p('/out'), to: p('/out') }));
    expect(came).to.deep.include({ oldPath: null, newPath: '/out/1', vector: (await row('/out/1'))?.vector });
    expect(await last({ from: p('/else'), to: p('/else') })).to.deep.equal({ kind: 'none' });
  });

  it('withhold deletes: a move becomes a create, a delete nothing but its version', async () => {
    await at.tree.put(p('/from'), file('1'), mode);
    await at.tree.move(p('/from'), p('/to'));
    const moved = await last({ deletes: false });
    expect([imported(moved).oldPath, imported(moved).newPath, moved]).to.satisfy(([old, now]: unknown[]) => old === null && now === '/to');
    expect(moved).to.include({ isCut: true });
    await at.tree.remove(p('/to'), false);
    expect(await last({ deletes: false })).to.deep.equal({ kind: 'withheld', version: (await row('/to'))?.version });
  });

  it('send rows as creates and deletes with their versions', async () => {
    await at.tree.put(p('/row'), file('1'), mode);
    const live = (await row('/row')) as NonNullable<Awaited<ReturnType<typeof row>>>;
    expect(imported(mapRow(whole, live, cluster))).to.deep.include({
      newPath: '/row',
      oldPath: null,
      version: live.version,
      vector: live.vector,
      newEntry: live.entry,
    });
    const dead = (await row('/to')) as NonNullable<Awaited<ReturnType<typeof row>>>;
    expect(imported(mapRow(whole, dead, cluster))).to.deep.include({ oldPath: '/to', newPath: null, version: dead.version, vector: dead.vector });
  });

  it('give files a time to live if they are told to, and directories none', async () => {
    await at.tree.put(p('/ttl/f'), file('1'), mode);
    const [directory, kept] = [await row('/ttl'), await row('/ttl/f')].map((one) => imported(mapRow({ ...whole, ttlSec: 60 }, one as never, cluster)));
    expect((JSON.parse(kept?.newEntry as string) as { attributes: object }).attributes).to.include({ ttlSec: 60 });
    expect(directory?.newEntry).to.equal((await row('/ttl'))?.entry);
  });
});
