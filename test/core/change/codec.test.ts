import { expect } from 'chai';
import fc from 'fast-check';
import { decodeChange, encodeChange, withApplied, withoutApplied } from '../../../src/core/change/codec.js';
import { canonicalJson } from '../../../src/core/change/canonical.js';
import { isFailure } from '../../../src/core/errors.js';
import { anyChange, origins } from '../../support/arbitrary.js';
import { failureOf } from '../../support/open-log.js';

const notes = { oldEntry: null, deleteChunks: false, signatures: ['5555555555555555'] };
const [origin, other] = origins;

/** A good change as a value, to break one field of. */
const good = () => ({
  directory: '/docs',
  tsNs: '5000',
  eventNotification: {
    oldEntry: { name: 'a.txt' } as Record<string, unknown> | undefined,
    newEntry: { name: 'b.txt', isDirectory: false, attributes: { mtime: '5' }, chunks: [{ fileId: '1,2' }] } as Record<string, unknown> | undefined,
    newParentPath: '/new' as unknown,
  },
  replication: {
    origin,
    seq: 1,
    hash: '0123456789ab',
    version: 5,
    author: origin,
    vector: { [origin]: 5 },
    oldVector: { [origin]: 5 },
    clusters: [],
  } as Record<string, unknown>,
});

type Good = ReturnType<typeof good>;
const textOf = (edit: (change: Good) => void): string => {
  const change = good();
  edit(change);
  return JSON.stringify(change);
};

describe('a change as text', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyChange, (change) => {
        const text = encodeChange(change, notes);
        expect(decodeChange(text)).to.deep.equal({ ...change, text });
        expect(text).to.not.match(/[\n\r]/);
      }),
      { numRuns: 500 },
    );
  });

  it('stands as weed prints it, with replication last', () => {
    const vector = { [origin]: 5 };
    const newEntry = canonicalJson({ name: 'a', isDirectory: false, content: 'YQ==' });
    const facts = {
      origin,
      seq: 7,
      hash: '0123456789ab',
      version: 5,
      author: origin,
      oldPath: '/d/a',
      newPath: '/d/a',
      newEntry,
      isDirectory: false,
      contentHash: '',
      vector,
      oldVector: null,
      clusters: ['c'],
    };
    const encode = (run: string) =>
      encodeChange({ ...facts, run } as never, { oldEntry: { name: 'x', isDirectory: false, content: 'Yg==' }, deleteChunks: true, signatures: ['s'] });
    const text = encode('');
    expect(text).to.equal(
      '{"directory":"/d","tsNs":"5000","eventNotification":{"oldEntry":{"isDirectory":false,"name":"a"},"newEntry":{"content":"YQ==","isDirectory":false,"name":"a"},' +
        `"newParentPath":"/d","deleteChunks":true,"isFromOtherCluster":true,"signatures":["s"]},"replication":{"origin":"${origin}","seq":7,"hash":"0123456789ab",` +
        `"version":5,"author":"${origin}","vector":{"${origin}":5},"clusters":["c"]}}`,
    );
    expect(encode(origin)).to.equal(text.replace(/\}\}$/, `,"run":"${origin}"}}`));
  });

  it('keeps fields it does not know', () => {
    const text = textOf((change) => {
      Object.assign(change.eventNotification.newEntry as object, { worm: { b: 1, a: [null] } });
      Object.assign(change.eventNotification, { later: true });
      change.replication.later = 1;
    });
    const change = decodeChange(text);
    expect(change.text).to.equal(text);
    expect(change.newEntry).to.contain('"worm":{"a":[null],"b":1}');
  });

  it('does without what may be left out', () => {
    const change = decodeChange(
      textOf((draft) => {
        delete draft.replication.clusters;
        delete draft.eventNotification.newParentPath;
        delete draft.eventNotification.oldEntry;
        delete draft.replication.oldVector;
        delete (draft.eventNotification.newEntry as { isDirectory?: boolean }).isDirectory;
      }),
    );
    expect(change).to.deep.include({ clusters: [], run: '', oldPath: null, newPath: '/docs/b.txt', isDirectory: false });
  });
});

describe('the local word applied', () => {
  it('is put in and cut off without a trace', () => {
    fc.assert(
      fc.property(anyChange, fc.constantFrom('won' as const, 'lost' as const, 'partly' as const), (change, applied) => {
        const text = encodeChange(change, notes);
        const sent = withApplied(text, applied);
        expect((JSON.parse(sent) as Good).replication.applied).to.equal(applied);
        expect(withoutApplied(sent)).to.equal(text);
        expect(withoutApplied(text)).to.equal(text);
        expect(decodeChange(sent)).to.deep.equal(decodeChange(text));
      }),
    );
  });
});

describe('decodeChange', () => {
  const long = 'a'.repeat(256);
  const broken: [field: string, edit: (change: Good) => void][] = [
    ['change.eventNotification', (c) => Object.assign(c, { eventNotification: null })],
    ['change.eventNotification', (c) => Object.assign(c, { eventNotification: [] })],
    ['change.eventNotification', (c) => Object.assign(c.eventNotification, { oldEntry: null, newEntry: null })],
    ['change.replication', (c) => Object.assign(c, { replication: 5 })],
    ['change.replication.origin', (c) => (c.replication.origin = 'ABC')],
    ['change.replication.seq', (c) => (c.replication.seq = 0)],
    ['change.replication.seq', (c) => (c.replication.seq = '1')],
    ['change.replication.seq', (c) => (c.replication.seq = 1.5)],
    ['change.replication.hash', (c) => (c.replication.hash = '0123456789AB')],
    ['change.replication.hash', (c) => (c.replication.hash = undefined)],
    ['change.replication.version', (c) => (c.replication.version = 2 ** 52 + 1)],
    ['change.replication.version', (c) => (c.replication.version = 0)],
    ['change.replication.version', (c) => (c.replication.version = '5')],
    ['change.replication.author', (c) => (c.replication.author = null)],
    ['change.replication.clusters', (c) => (c.replication.clusters = [5])],
    ['change.replication.clusters', (c) => (c.replication.clusters = 'x')],
    ['change.replication.run', (c) => (c.replication.run = true)],
    ['change.replication.run', (c) => (c.replication.run = '')],
    ['change.replication.run', (c) => (c.replication.run = '0123')],
    ['change.replication.run', (c) => (c.replication.run = null)],
    ['change.replication.vector', (c) => (c.replication.vector = [])],
    ['change.replication.vector', (c) => (c.replication.vector = {})],
    ['change.replication.vector', (c) => (c.replication.vector = { [origin]: 4 })],
    ['change.replication.vector.x', (c) => (c.replication.vector = { [origin]: 5, x: 5 })],
    [`change.replication.vector.${other}`, (c) => (c.replication.vector = { [origin]: 5, [other]: 0 })],
    ['change.replication.oldVector', (c) => (c.replication.oldVector = undefined)],
    ['change.replication.oldVector', (c) => (c.replication.oldVector = {})],
    ['change.oldEntry.directory', (c) => Object.assign(c, { directory: 5 })],
    ['change.oldEntry.directory', (c) => Object.assign(c, { directory: '/docs/' })],
    ['change.oldEntry.directory', (c) => Object.assign(c, { directory: '//docs' })],
    ['change.oldEntry', (c) => Object.assign(c, { directory: 'docs' })],
    ['change.oldEntry', (c) => Object.assign(c, { directory: '/a/..' })],
    ['change.oldEntry.name', (c) => (c.eventNotification.oldEntry = { name: 5 })],
    ['change.oldEntry', (c) => (c.eventNotification.oldEntry = { name: 'a/b' })],
    ['change.oldEntry', (c) => (c.eventNotification.oldEntry = { name: '' })],
    ['change.newEntry.name', (c) => (c.eventNotification.newEntry = { name: '' })],
    ['change.newEntry', (c) => (c.eventNotification.newEntry = { name: '..' })],
    ['change.newEntry', (c) => (c.eventNotification.newEntry = { name: long })],
    ['change.newEntry', (c) => Object.assign(c.eventNotification, { newParentPath: `/${'a'.repeat(255)}`.repeat(16) })],
    ['change.newEntry.directory', (c) => Object.assign(c.eventNotification, { newParentPath: 5 })],
    ['change.newEntry.isDirectory', (c) => Object.assign(c.eventNotification.newEntry as object, { isDirectory: 1 })],
    ['change.newEntry.attributes', (c) => Object.assign(c.eventNotification.newEntry as object, { attributes: [] })],
    ['change.newEntry.extended', (c) => Object.assign(c.eventNotification.newEntry as object, { extended: 'x' })],
    ['change.newEntry.extended.k', (c) => Object.assign(c.eventNotification.newEntry as object, { extended: { k: 1 } })],
    ['change.newEntry.chunks', (c) => Object.assign(c.eventNotification.newEntry as object, { chunks: {} })],
    ['change.newEntry.chunks[1]', (c) => Object.assign(c.eventNotification.newEntry as object, { chunks: [{}, null] })],
    ['change.newEntry.content', (c) => Object.assign(c.eventNotification.newEntry as object, { content: 5 })],
  ];
  for (const [field, edit] of broken) {
    it(`names ${field} in ${edit
      .toString()
      .replace(/^.*?=>/, '')
      .trim()
      .slice(0, 90)}`, async () => {
      const failure = await failureOf(() => decodeChange(textOf(edit)));
      expect(failure.code).to.equal('BODY_INVALID');
      expect(failure.message.split(':')[0]).to.equal(field);
    });
  }

  it('names the change as its caller does', async () => {
    expect((await failureOf(() => decodeChange('{', 'changes[3]'))).message).to.match(/^changes\[3\]: is not JSON/);
  });

  // The text goes into the log and out again as it came, with `applied` put in front of its last two braces.
  it('refuses a text that is not one line with replication last', async () => {
    const text = textOf(() => {});
    const { replication, ...rest } = JSON.parse(text) as Good;
    for (const odd of [`${text} `, ` ${text}\n`, text.replace('{', '{\n'), `${text.slice(0, -1)} }`, JSON.stringify({ replication, ...rest })]) {
      expect((await failureOf(() => decodeChange(odd))).code, odd).to.equal('BODY_INVALID');
    }
  });

  it('throws nothing but BODY_INVALID, whatever it is handed', () => {
    const mustFailWell = (text: string) => {
      try {
        decodeChange(text);
      } catch (error) {
        expect(isFailure(error, 'BODY_INVALID'), String(error)).to.equal(true);
      }
    };
    fc.assert(fc.property(fc.string({ unit: 'binary' }), mustFailWell));
    fc.assert(fc.property(fc.json(), mustFailWell));
    // One value anywhere in a good change replaced by any other.
    const places = [
      'directory',
      'eventNotification',
      'replication',
      ...Object.keys(good().eventNotification).map((key) => `eventNotification.${key}`),
      ...Object.keys(good().replication).map((key) => `replication.${key}`),
    ];
    const entryPlaces = ['name', 'isDirectory', 'attributes', 'extended', 'chunks', 'content', '__proto__'].map((key) => `eventNotification.newEntry.${key}`);
    fc.assert(
      fc.property(fc.constantFrom(...places, ...entryPlaces), fc.jsonValue(), (place, value) => {
        const keys = place.split('.');
        const last = keys.pop() as string;
        const text = textOf((change) => {
          const holder = keys.reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, change);
          Object.defineProperty(holder, last, { value, enumerable: true, configurable: true });
        });
        mustFailWell(text);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses entries nested beyond reason', async () => {
    for (const depth of [1000, 1_000_000]) {
      const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
      const text = textOf((change) => Object.assign(change.eventNotification.newEntry as object, { later: 'HERE' })).replace('"HERE"', nested);
      const failure = await failureOf(() => decodeChange(text));
      expect(failure.code).to.equal('BODY_INVALID');
      expect(failure.message).to.match(/^change\.newEntry: may be nested/);
    }
  });
});
