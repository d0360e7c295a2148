import fc from 'fast-check';
import { canonicalJson } from '../../src/core/change/canonical.js';
import type { Change } from '../../src/core/change/change.js';
import { chainHash, chainStart, contentHash, entryDigest } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import type { Origin, Position, Vector } from '../../src/core/clock/vector.js';
import { versionMax } from '../../src/core/clock/version.js';
import { nameBytesMax, type FullPath } from '../../src/core/entry/path.js';
import type { Entry } from '../../src/core/entry/entry.js';

/* Random values of the core, for fast-check. */

const unit = fc.constantFrom('a', 'b', '.', ' ', '%', '"', '\\', '\n', 'é', '\ue000', '日', '😀', '\u2028');

export const anyName = fc
  .string({ unit, minLength: 1, maxLength: 12 })
  .filter((name) => name !== '.' && name !== '..' && Buffer.byteLength(name) <= nameBytesMax);

export const anyPath = fc.array(anyName, { minLength: 0, maxLength: 4 }).map((names) => `/${names.join('/')}` as FullPath);

export const anyPathBelowRoot = anyPath.filter((path) => path !== '/');

/** Few, so that they meet. */
export const origins: readonly Origin[] = ['1111111111111111', '2222222222222222', 'aaaaaaaaaaaaaaaa'];

export const anyOrigin = fc.constantFrom(...origins);

export const anyVersion = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: versionMax }));

export const anyVector: fc.Arbitrary<Vector> = fc.dictionary(anyOrigin, fc.integer({ min: 1, max: 4 }), { noNullPrototype: true });

export const anyPosition: fc.Arbitrary<Position> = fc.dictionary(anyOrigin, fc.integer({ min: 0, max: 3 })).map((record) => new Map(Object.entries(record)));

const anyEntryFor = (name: string): fc.Arbitrary<Entry> =>
  fc
    .record(
      {
        isDirectory: fc.boolean(),
        attributes: fc.record({ mtime: fc.nat().map(String), fileMode: fc.nat(), mime: fc.string() }, { requiredKeys: [] }),
        extended: fc.dictionary(fc.string(), fc.base64String()),
        content: fc.base64String(),
        chunks: fc.array(fc.record({ fileId: fc.string(), size: fc.nat().map(String) })),
        remoteEntry: fc.jsonValue({ maxDepth: 2 }),
      },
      { requiredKeys: ['isDirectory'] },
    )
    .map((fields) => ({ name, ...fields }) as Entry);

const nameIn = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** A row of one path: few versions, authors, contents and dots, so that equal and concurrent states turn up. */
export const anyRow: fc.Arbitrary<Row> = fc
  .record({
    version: fc.integer({ min: 1, max: 3 }),
    author: anyOrigin,
    content: fc.constantFrom(null, 'x', 'y'),
    others: anyVector,
    origin: anyOrigin,
    seq: fc.integer({ min: 1, max: 3 }),
    dotted: fc.boolean(),
  })
  .map(({ version, author, content, others, origin, seq, dotted }) => {
    const entry = content === null ? null : canonicalJson({ name: 'f', isDirectory: content === 'y' });
    const hash = entry === null ? '' : contentHash(entry);
    const path = '/d/f' as FullPath;
    return {
      path,
      entry,
      isDirectory: content === 'y',
      version,
      author,
      vector: { ...others, [author]: Math.max(version, others[author] ?? 0) },
      dot: dotted ? { origin, seq } : null,
      contentHash: hash,
      h: entry === null ? 0 : entryDigest(path, version, author, hash),
    };
  });

/** One valid change of any operation, without its text. */
export const anyChange: fc.Arbitrary<Omit<Change, 'text'>> = fc
  .record({
    operation: fc.constantFrom('create', 'delete', 'update', 'rename'),
    a: anyPathBelowRoot,
    b: anyPathBelowRoot,
    origin: anyOrigin,
    author: anyOrigin,
    seq: fc.integer({ min: 1, max: 2 ** 40 }),
    version: anyVersion,
    others: anyVector,
    clusters: fc.array(fc.string(), { maxLength: 2 }),
    run: fc.oneof(fc.constant(''), anyOrigin),
  })
  .filter(({ operation, a, b }) => operation !== 'rename' || a !== b)
  .chain(({ operation, a, b, origin, author, seq, version, others, clusters, run }) => {
    const oldPath = operation === 'create' ? null : a;
    const newPath = operation === 'delete' ? null : operation === 'rename' ? b : a;
    const vector = { ...others, [author]: Math.max(version, others[author] ?? 0) };
    const entries = newPath === null ? fc.constant(null) : anyEntryFor(nameIn(newPath));
    return entries.map((entry) => {
      const newEntry = entry === null ? null : canonicalJson(entry);
      const facts = {
        origin,
        seq,
        version,
        author,
        oldPath,
        newPath,
        newEntry,
        isDirectory: entry?.isDirectory ?? false,
        contentHash: newEntry === null ? '' : contentHash(newEntry),
        vector,
        oldVector: operation === 'rename' ? { [author]: version } : null,
        clusters,
        run,
      };
      return { ...facts, hash: chainHash(chainStart, facts) };
    });
  });
