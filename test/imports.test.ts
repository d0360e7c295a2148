import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

/*
 * Who may import whom, by path below src: the first row whose name begins a file's path is that file's. A trailing slash means
 * a whole folder; a folder may always import itself. `type x` allows `import type` alone.
 */
const mayImport: [files: string, imports: string[]][] = [
  ['index', []],
  [
    'commands/',
    [
      'core/filer',
      'core/master',
      'core/demo',
      'core/offline-store',
      'core/sync-process',
      'core/sync-verify',
      'core/replay/',
      'core/tree/',
      'core/api/*/client',
      'core/api/*/protocol',
      'core/api/known-names',
      'core/api/meta/cluster-view',
      'core/api/meta/cluster-wait',
      'core/api/meta/ask-filer',
      'core/api/meta/log-report',
      'core/api/meta/store-ids',
      'core/api/meta/sync-checkpoints',
      'core/api/meta/tail',
      'core/config/',
      'core/store/open-store',
      'type core/security/',
      'ux/',
    ],
  ],
  ['ux/', ['core/config/', 'core/security/']],
  // The composition: everything below.
  ['core/filer', ['core/']],
  ['core/upkeep', ['core/']],
  ['core/master', ['core/']],
  ['core/upkeep', ['core/clock/', 'core/cluster/', 'core/log/', 'core/replication/', 'type core/store/']],
  ['core/demo', ['core/']],
  ['core/offline-store', ['core/']],
  ['core/sync-process', ['core/']],
  ['core/sync-verify', ['core/']],
  ['core/replay/', ['core/']],
  ['core/upkeep', ['core/']],
  // Small parts that everyone may import.
  ['core/errors', []],
  ['core/time', []],
  ['core/logger', []],
  ['core/loop', []],
  ['core/nap', []],
  ['core/abort', []],
  ['core/durable-file', []],
  ['core/config/limits', []],
  ['core/config/', []],
  ['core/metrics/', ['core/config/']],
  ['core/security/', ['core/config/']],
  // Values.
  ['core/entry/', []],
  ['core/clock/', []],
  ['core/change/', ['core/entry/', 'core/clock/']],
  // An adapter never imports another one: see below.
  ['core/store/', ['core/change/', 'core/entry/', 'core/clock/', 'core/config/']],
  ['core/log/', ['core/store/store', 'core/store/identity', 'core/change/', 'core/entry/', 'core/clock/']],
  // They meet only in the log.
  ['core/namespace/', ['core/log/', 'type core/store/', 'core/change/', 'core/entry/', 'core/clock/']],
  ['core/replication/', ['core/log/', 'type core/store/', 'core/change/', 'core/entry/', 'core/clock/', 'core/cluster/member']],
  ['core/cluster/', ['core/clock/']],
  ['core/sync/', ['core/change/', 'core/clock/', 'core/entry/']],
  // The wire.
  ['core/http/', ['core/security/', 'core/metrics/', 'core/config/']],
  [
    'core/api/',
    [
      'core/web/',
      'core/http/',
      'type core/security/',
      'core/config/',
      'core/namespace/',
      'core/replication/',
      'core/cluster/',
      'core/log/',
      'core/store/ledger',
      'core/change/',
      'core/entry/',
      'core/clock/',
      'type core/store/',
      'core/filer',
      'core/master',
      'core/metrics/',
      'core/sync/',
    ],
  ],
  // What commands do to a tree through its API.
  ['core/tree/', ['core/api/filer/', 'core/http/', 'type core/security/', 'core/config/', 'core/change/', 'core/clock/', 'core/entry/']],
  ['core/web/', ['core/http/']],
];
const everyoneMay = ['core/errors', 'core/time', 'core/logger', 'core/loop', 'core/nap', 'core/abort', 'core/durable-file', 'core/config/limits'];
const adapters = ['core/store/memory/', 'core/store/sqlite/'];

/** Words that only some files may hold: what makes a file depend on the machine. */
const reserved: { what: RegExp; files: string[]; why: string }[] = [
  { what: /'(node:https?2?|undici)'/, files: ['core/http/', 'core/api/', 'core/web/', 'core/filer-process', 'core/master-process'], why: 'knows HTTP' },
  { what: /'sqlite3'/, files: ['core/store/sqlite/'], why: 'names a database' },
  {
    what: /\b(Date\.now|new Date\(\)|performance\.now|setTimeout\(|setInterval\(|node:timers)/,
    files: ['core/time', 'core/http/server', 'core/http/outgoing', 'ux/', 'commands/'],
    why: 'reads the real clock',
  },
  { what: /\bMath\.random|\brandom(Bytes|UUID|Int)\(/, files: ['core/time'], why: 'draws random numbers' },
  { what: /\bprocess\.(stdout|stderr|exit)|\bconsole\./, files: ['ux/', 'commands/'], why: 'writes to the terminal' },
];

const root = fileURLToPath(new URL('../src', import.meta.url));
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file: file.replaceAll('\\', '/'), text: readFileSync(join(root, file), 'utf8') }));

/** Our own modules that a file imports, as paths below src without `.js`. */
function importsOf(file: string, text: string): { target: string; typeOnly: boolean }[] {
  const found = [...text.matchAll(/^(import|export)( type)?\b[^;']*?from '(\.[^']*)\.js';|\bimport\('(\.[^']*)\.js'\)/gm)];
  return found.map(([, , type, named, dynamic]) => ({
    target: normalize(join(dirname(file), named ?? dynamic ?? '')).replaceAll('\\', '/'),
    typeOnly: type !== undefined,
  }));
}

const begins = (path: string, pattern: string): boolean => {
  const [head = '', tail] = pattern.split('*');
  return tail === undefined ? path.startsWith(head) : path.startsWith(head) && path.endsWith(tail);
};

describe('imports', () => {
  it('point down, as the table of who may import whom has it', () => {
    const wrong: string[] = [];
    for (const { file, text } of sources) {
      const row = mayImport.find(([files]) => file.startsWith(files));
      if (!row) wrong.push(`${file} stands in no row of the table`);
      const [own = '', allowed = []] = row ?? [];
      for (const { target, typeOnly } of importsOf(file, text)) {
        const rules = [...allowed, ...everyoneMay, ...(own.endsWith('/') ? [own] : [])];
        const fine = rules.some((rule) => (rule.startsWith('type ') ? typeOnly && begins(target, rule.slice(5)) : begins(target, rule)));
        if (!fine) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('keep the store adapters apart', () => {
    const wrong = sources.flatMap(({ file, text }) => {
      const others = adapters.filter((adapter) => adapters.some((own) => file.startsWith(own)) && !file.startsWith(adapter));
      return importsOf(file, text).flatMap(({ target }) => (others.some((other) => target.startsWith(other)) ? [`${file} imports ${target}`] : []));
    });
    expect(wrong).to.deep.equal([]);
  });

  it('make no client that could not sign', () => {
    const wrong = sources.flatMap(({ file, text }) => heldBy(file, text, /new HttpClient\((?!.*\bsigner\b)/));
    expect(wrong).to.deep.equal([]);
  });

  for (const { what, files, why } of reserved) {
    it(`allow only ${files.join(', ')} to hold what ${why}`, () => {
      const wrong = sources.filter(({ file }) => !files.some((allowed) => file.startsWith(allowed))).flatMap(({ file, text }) => heldBy(file, text, what));
      expect(wrong).to.deep.equal([]);
    });
  }
});

function heldBy(file: string, text: string, what: RegExp): string[] {
  return text
    .split('\n')
    .map((line, index) => ({ line: line.replace(/^\s*(\/\/|\*|\/\*).*|\s\/\/ .*/, ''), place: `${file}:${index + 1}` }))
    .filter(({ line }) => what.test(line))
    .map(({ line, place }) => `${place}: ${line.trim()}`);
}
