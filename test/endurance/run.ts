import { parseArgs } from 'node:util';
import { endure } from './endure.js';

/*
 * npm run endure -- [--writes=100000] [--kills=50] [--writers=384] [--seed=1]
 *
 * What happens goes to stderr, the outcome to stdout; exit 1 if a write was lost or the filers differ.
 */
const { values } = parseArgs({
  options: {
    writes: { type: 'string', default: '100000' },
    kills: { type: 'string', default: '50' },
    writers: { type: 'string', default: '384' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
try {
  const { acknowledged, unknown, refused, kills, seconds } = await endure({
    writes: Number(values.writes),
    kills: Number(values.kills),
    writers: Number(values.writers),
    seed: Number(values.seed),
    say: (line) => console.error(line),
  });
  console.log(
    `${acknowledged} acknowledged writes over ${kills} kills in ${seconds.toFixed(1)} s (${Math.round(acknowledged / seconds)}/s): ` +
      `none lost, all filers equal; ${unknown} writes were never answered, ${refused} refused`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
