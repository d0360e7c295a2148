import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../simulation/random.js';
import { tempDir } from '../support/temp-dir.js';
import { CrashDisk, survivals } from './crash-disk.js';
import { readRun } from './power-cut.js';
import type { TraceEvent } from './trace.js';

const hex = (text: string) => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
const made = (name: string) => `1 openat(AT_FDCWD<${hex('/')}>, "${hex(`/disk/${name}`)}", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<${hex(`/disk/${name}`)}>`;
const wrote = (name: string, text: string, offset: number) =>
  `1 pwrite64(3<${hex(`/disk/${name}`)}>, "${hex(text)}", ${text.length}, ${offset}) = ${text.length}`;
const synced = (name: string) => `1 fsync(3<${hex(`/disk${name && `/${name}`}`)}>) = 0`;

describe('CrashDisk', () => {
  const random = new Random(1);

  async function eventsOf(...lines: string[]): Promise<TraceEvent[]> {
    const file = join(await tempDir(), 'trace');
    await writeFile(file, `${lines.join('\n')}\n`);
    return readRun([file]);
  }

  /** All that a power cut may leave at the end of a trace, as text by path. */
  async function leftBy(...lines: string[]): Promise<Set<string>> {
    const disk = new CrashDisk('/disk');
    for (const event of await eventsOf(...lines)) disk.take(event);
    const left = new Set<string>();
    for (let i = 0; i < 200; i += 1) {
      const files = disk.crash(survivals[i % survivals.length], random);
      left.add([...files].map(([path, content]) => `${path}=${content.toString('latin1').replace(/[^a-z]/g, '-')}`).join(' '));
    }
    return left;
  }

  it('keeps what was written before a sync of the file, if its name was synced too', async () => {
    const left = await leftBy(made('f'), wrote('f', 'abc', 0), synced('f'), synced(''));
    expect([...left]).to.deep.equal(['/disk/f=abc']);
  });

  it('may lose a synced file whose name was not', async () => {
    expect([...(await leftBy(made('f'), wrote('f', 'abc', 0), synced('f')))].sort()).to.deep.equal(['', '/disk/f=abc']);
  });

  it('may keep or lose what was written after the sync began', async () => {
    const begun = synced('f').replace(') = 0', ' <unfinished ...>');
    const left = await leftBy(made('f'), synced(''), wrote('f', 'abc', 0), begun, wrote('f', 'xy', 0).replace(/^1/, '2'), '1 <... fsync resumed>) = 0');
    expect([...left].sort()).to.deep.equal(['/disk/f=abc', '/disk/f=xyc']);
    const unfinished = await leftBy(made('f'), synced(''), wrote('f', 'abc', 0), begun);
    expect(unfinished).to.include('/disk/f=').and.to.include('/disk/f=abc');
  });

  it('tears a write between sectors and nowhere else', async () => {
    const left = await leftBy(made('f'), synced(''), wrote('f', 'a'.repeat(512) + 'b'.repeat(100), 0));
    const forms = [...left].map((text) => [text.slice('/disk/f='.length).slice(0, 512), text.slice('/disk/f='.length).slice(512)]);
    for (const sectors of forms) for (const sector of sectors) expect(new Set(sector).size, sector).to.be.at.most(1);
    expect(
      forms.some(([first, second]) => first.startsWith('a') && !second.startsWith('b')),
      'the first alone',
    ).to.be.true;
    expect(
      forms.some(([first, second]) => first.startsWith('-') && second.startsWith('b')),
      'the second alone',
    ).to.be.true;
  });

  it('shows the old or the new file under a name that another was moved to, until the folder is synced', async () => {
    const moved = `1 rename("${hex('/disk/n')}", "${hex('/disk/f')}") = 0`;
    const both = [made('f'), wrote('f', 'old', 0), synced('f'), made('n'), wrote('n', 'new', 0), synced('n'), synced(''), moved];
    expect([...(await leftBy(...both))].sort()).to.deep.equal(['/disk/f=new', '/disk/f=old /disk/n=new']);
    expect([...(await leftBy(...both, synced('')))]).to.deep.equal(['/disk/f=new']);
  });
});
