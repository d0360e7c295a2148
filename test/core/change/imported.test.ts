import { expect } from 'chai';
import { encodeImported, ImportReader, narrow, type ImportedChange } from '../../../src/core/change/imported.js';
import { failureOf } from '../../support/open-log.js';

const author = 'a000000000000000';

/** What `weed filer.meta.tail` prints, all fields present. */
const event = (fields: object = {}, more: object = {}) => ({
  directory: '/docs',
  eventNotification: { oldEntry: null, newEntry: null, deleteChunks: false, newParentPath: '', isFromOtherCluster: false, signatures: [-2], ...fields },
  tsNs: '1763763267123456789',
  events: [],
  logFileRefs: [],
  flushedTsNs: '0',
  ...more,
});

const weedEntry = (name: string) => ({
  name,
  isDirectory: false,
  chunks: [],
  attributes: { fileSize: '5', mtime: '1763763267', fileMode: 432, uid: 0, crtime: '0', mime: '', groupName: [] },
  extended: {},
  content: 'aGVsbG8=',
  hardLinkCounter: 0,
  quota: '0',
  remoteEntry: null,
});

const change = (replication: object = {}, event: object = {}) => ({
  directory: '/docs',
  tsNs: '1000',
  eventNotification: { newEntry: { name: 'a' }, ...event },
  replication: { origin: author, seq: 1, hash: '0123456789ab', version: 7, author, vector: { [author]: 7 }, clusters: [], ...replication },
});

const read = (value: unknown): ImportedChange => new ImportReader().read(value, 'changes[17]') as ImportedChange;
const problem = async (value: unknown) => (await failureOf(() => read(value))).message;

describe('ImportReader', () => {
  it('takes events of SeaweedFS: version from tsNs, author from the first signature, no empty fields', () => {
    const got = read(event({ newEntry: weedEntry('a.txt') }));
    const foreign = '00000000fffffffe';
    expect(got).to.deep.equal({
      version: 1763763267123456,
      author: foreign,
      oldPath: null,
      newPath: '/docs/a.txt',
      newEntry: '{"attributes":{"fileMode":432,"fileSize":"5","mtime":"1763763267"},"content":"aGVsbG8=","isDirectory":false,"name":"a.txt"}',
      isDirectory: false,
      vector: { [foreign]: 1763763267123456 },
      oldVector: null,
      clusters: [],
      oldEntry: null,
    });
  });

  it('takes zeros for the author of an event without signatures', () => {
    expect(read(event({ newEntry: weedEntry('a'), signatures: [] })).author).to.equal('0000000000000000');
  });

  it('reads deletes and renames of SeaweedFS', () => {
    expect(read(event({ oldEntry: weedEntry('a') }))).to.include({ oldPath: '/docs/a', newPath: null, newEntry: null });
    const renamed = read(event({ oldEntry: weedEntry('a'), newEntry: weedEntry('b'), newParentPath: '/other' }));
    expect(renamed).to.include({ oldPath: '/docs/a', newPath: '/other/b' });
    expect(renamed.oldVector).to.deep.equal(renamed.vector);
  });

  it('makes versions of SeaweedFS rise per author, the same for the same input, and goes on where an earlier reader stopped', () => {
    const events = ['5000', '5000', '4000', '9000'].map((tsNs, i) => event({ newEntry: weedEntry('a'), signatures: [i === 3 ? 2 : 1] }, { tsNs }));
    const versions = (reader: ImportReader, part = events) => part.map((one) => reader.read(one)?.version);
    expect(versions(new ImportReader())).to.deep.equal([5, 6, 7, 9]);
    const first = new ImportReader();
    versions(first, events.slice(0, 2));
    expect(versions(new ImportReader(first.versions), events.slice(2))).to.deep.equal([7, 9]);
  });

  it('passes over events of SeaweedFS that say nothing', () => {
    expect(new ImportReader().read(event())).to.equal(null);
  });

  it('names the field that is wrong', async () => {
    expect(await problem(change({ seq: '4' }))).to.equal('changes[17].replication.seq: must be a whole number above 0');
    expect(await problem(change({ version: '7' }))).to.contain('changes[17].replication.version');
    expect(await problem(change({ vector: {} }))).to.contain('changes[17].replication.vector: must include');
    expect(await problem(change({}, { newEntry: { name: '' } }))).to.contain('changes[17].newEntry.name');
    expect(await problem({ ...change(), directory: '/a/../b' })).to.contain('changes[17].newEntry');
    expect(await problem({ ...change(), directory: '/', eventNotification: { newEntry: { name: 'metrics' } } })).to.contain('changes[17].newEntry: /metrics');
    expect(await problem(event({ newEntry: weedEntry('a') }, { tsNs: 'soon' }))).to.contain('changes[17].tsNs');
    expect(await problem(7)).to.equal('changes[17]: must be an object');
  });

  it('gives back what encodeImported has written', () => {
    const renamed = read(event({ oldEntry: weedEntry('a'), newEntry: weedEntry('b'), newParentPath: '/other' }));
    const { content: _content, ...oldEntry } = weedEntry('a');
    expect(read(JSON.parse(encodeImported(renamed)))).to.deep.equal({ ...renamed, oldEntry });
    const removed = read(event({ oldEntry: { ...oldEntry, name: 'a' } }));
    expect(read(JSON.parse(encodeImported(removed)))).to.deep.equal(removed);
  });
});

describe('narrow', () => {
  const vector = { [author]: 7 };
  const oldVector = { [author]: 7, b000000000000000: 3 };
  const rename = read({
    ...change({ vector, oldVector }, { oldEntry: { name: 'a' }, newEntry: { name: 'b' }, newParentPath: '/other' }),
  });

  it('makes a rename a delete or a create where one side is left', () => {
    expect(narrow(rename, () => true)).to.equal(rename);
    expect(narrow(rename, (path) => path === '/docs/a')).to.deep.include({
      oldPath: '/docs/a',
      newPath: null,
      newEntry: null,
      vector: oldVector,
      oldVector: null,
    });
    expect(narrow(rename, (path) => path === '/other/b')).to.deep.include({ oldPath: null, newPath: '/other/b', vector, oldVector: null });
    expect(narrow(rename, () => false)).to.equal(null);
  });

  it('leaves other changes as they are, or nothing of them', () => {
    for (const fields of [{ newEntry: { name: 'a' } }, { oldEntry: { name: 'a' }, newEntry: { name: 'a' } }, { newEntry: null, oldEntry: { name: 'a' } }]) {
      const one = read(change({}, fields));
      expect(narrow(one, (path) => path === '/docs/a')).to.equal(one);
      expect(narrow(one, () => false)).to.equal(null);
    }
  });
});
