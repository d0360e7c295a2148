import { fileURLToPath } from 'node:url';
import { limits } from '../../../src/core/config/limits.js';
import { parsePath } from '../../../src/core/entry/path.js';
import { ChangeLog } from '../../../src/core/log/change-log.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Namespace } from '../../../src/core/namespace/namespace.js';
import { openStore } from '../../../src/core/store/open-store.js';
import { realTime } from '../../../src/core/time.js';
import { Program } from './program.js';

const filesPerDirectory = 100;
const contentBytes = 64;

/**
 * Writes `count` small files, one change each, into the store of a filer that is stopped: through the door as the filer would, but
 * without HTTP and in great groups. In a process of its own, so that its memory is nobody's.
 */
export async function fillStore(dir: string, count: number): Promise<void> {
  const node = ['--import', 'tsx', fileURLToPath(import.meta.url), dir, String(count)];
  await Program.start('fill', process.execPath, node).ended();
}

async function fill(dir: string, count: number): Promise<void> {
  const store = await openStore({ directory: dir, time: realTime });
  const log = await ChangeLog.open({ store, time: realTime, limits, logger: silentLogger });
  const tree = new Namespace(log, store, realTime, limits);
  const content = Buffer.alloc(contentBytes, 'kelp').toString('base64');
  for (let at = 0; at < count; at += limits.groupDecisions) {
    const indexes = Array.from({ length: Math.min(limits.groupDecisions, count - at) }, (_, i) => at + i);
    await Promise.all(
      indexes.map((index) => {
        const path = parsePath(
          `/bench/d${String(Math.floor(index / filesPerDirectory)).padStart(5, '0')}/f${String(index % filesPerDirectory).padStart(5, '0')}`,
        );
        return tree.put(path, { content, size: contentBytes, md5: '', mime: 'text/plain' }, 0o660);
      }),
    );
  }
  await log.close();
  await store.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await fill(process.argv[2] as string, Number(process.argv[3]));
