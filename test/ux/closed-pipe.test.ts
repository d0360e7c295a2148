import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { tempDir } from '../support/temp-dir.js';

describe('watchClosedPipe', () => {
  it('keeps a pipe open no longer than its process', async () => {
    const dir = await tempDir();
    // In place of tail, one that does not look whether anybody needs it, and has the pipe.
    await writeFile(join(dir, 'tail'), '#!/bin/sh\nexec sleep 600\n');
    await chmod(join(dir, 'tail'), 0o700);
    const watches = `import { watchClosedPipe } from ${JSON.stringify(new URL('../../src/ux/closed-pipe.ts', import.meta.url).href)}; watchClosedPipe(() => {}); process.stdout.write('all');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', watches], {
      env: { ...process.env, PATH: `${dir}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(child.stdout, 'end');
    expect(said).to.equal('all');
  });
});
