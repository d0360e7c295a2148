import { expect } from 'chai';
import { entryToJson } from '../../../src/core/api/filer/entry-json.js';
import type { Attributes, Chunk } from '../../../src/core/entry/entry.js';
import { parsePath } from '../../../src/core/entry/path.js';
import { Branches, longFields, modeText, shortFields, usageLine } from '../../../src/core/tree/lines.js';

const file = (attributes: Attributes, chunks: Chunk[] = []) =>
  entryToJson({ path: parsePath('/d/f'), isDirectory: false, entry: { name: 'f', isDirectory: false, attributes, chunks }, row: null, children: 0 });

describe('the lines of weed shell', () => {
  const modes: [number, string][] = [
    [0o640, '-rw-r-----'],
    [0, '----------'],
    [0x80000000 + 0o755, 'drwxr-xr-x'],
    [0x08000000 + 0o777, 'Lrwxrwxrwx'],
    [0x80000000 + 0x00100000 + 0o777, 'dtrwxrwxrwx'],
    [0x00800000 + 0o755, 'urwxr-xr-x'],
  ];
  for (const [mode, text] of modes) it(`show mode ${mode.toString(8)} as ${text}`, () => expect(modeText(mode)).to.equal(text));

  it('are mode, chunks, user, group and size before the path, or only mode and size', () => {
    expect(longFields(file({ fileMode: 0o640, uid: 1, gid: 2, fileSize: '7' }))).to.equal('-rw-r-----   0 1 2      7');
    expect(shortFields(file({ fileMode: 0o640, uid: 1, gid: 2, fileSize: '7' }))).to.equal('-rw-r-----      7');
    const named = file({ fileMode: 0o600, userName: 'ann', groupName: ['staff', 'x'] }, [{ offset: '0', size: '1234567' }]);
    expect(longFields(named)).to.equal('-rw-------   1 ann staff 1234567');
  });

  it('are blocks and bytes', () =>
    expect(usageLine({ chunks: 2, bytes: 1234, files: 1, directories: 0 }, '/d')).to.equal('block:   2\tlogical size:      1234\t/d'));

  it('draw branches', () => {
    const branches = new Branches();
    const names: [number, boolean][] = [
      [-1, true],
      [0, false],
      [1, false],
      [2, true],
      [1, true],
      [0, true],
      [1, true],
    ];
    expect(names.map(([depth, isLast]) => branches.before(depth, isLast))).to.deep.equal(['', '├──', '│   ├──', '│   │   └──', '│   └──', '└──', '    └──']);
  });
});
