import { mkdir, rm, writeFile } from 'node:fs/promises';
import { messageOf } from '../../src/core/errors.js';
import { limits } from '../../src/core/config/limits.js';
import { silentLogger } from '../../src/core/logger.js';
import { Master } from '../../src/core/master.js';
import { realTime } from '../../src/core/time.js';
import type { Promises } from './promises.js';

/** Makes the folder of a master hold exactly these files, starts a master on it and says what is wrong; nothing = it knows the cluster it has named. */
export async function problemsOfMaster(mdir: string, files: ReadonlyMap<string, Buffer>, promises: Promises): Promise<string[]> {
  await rm(mdir, { recursive: true, force: true });
  await mkdir(mdir);
  for (const [path, content] of files) await writeFile(path, content, { mode: 0o600 });
  const master = new Master({ ip: '127.0.0.1', bind: '127.0.0.1', port: 0, mdir, forgetAfterMs: limits.forgetAfterMs, time: realTime, logger: silentLogger });
  try {
    await master.start();
  } catch (error) {
    return [`it cannot start: ${messageOf(error)}`];
  }
  const { clusterId } = master;
  await master.stop();
  return promises.clusterId !== null && clusterId !== promises.clusterId ? [`LOST: its cluster is ${clusterId}, ${promises.clusterId} was told`] : [];
}
