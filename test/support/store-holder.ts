import { SqliteStore } from '../../src/core/store/sqlite/sqlite-store.js';
import { realTime } from '../../src/core/time.js';
import { rowOf } from './store-values.js';

/* A process to kill: opens the store in the folder it is given, commits /kept, writes /lost in a second transaction and stays in it. */

const store = await SqliteStore.open(process.argv[2] as string, realTime);
await store.transaction((tx) => tx.write({ rows: { tree: [rowOf('/kept')] }, meta: new Map([['storeId', 'x']]) }));
await store.transaction(async (tx) => {
  await tx.write({ rows: { tree: [rowOf('/lost')] } });
  process.stdout.write('inside\n');
  setInterval(() => {}, 60_000);
  await new Promise(() => {});
});
