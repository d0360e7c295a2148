// Given to a filer by node --import: another program, which refuses entries that are nested deeper than eight levels. At each SIGUSR2 it changes
// its mind, as an update without a restart would, and says so.
const { limits } = await import(new URL('../../dist/core/config/limits.js', import.meta.url));
const [deep, shallow] = [limits.jsonDepthMax, 8];
limits.jsonDepthMax = shallow;
process.on('SIGUSR2', () => {
  limits.jsonDepthMax = limits.jsonDepthMax === shallow ? deep : shallow;
  process.stderr.write(`reads ${limits.jsonDepthMax} levels\n`);
});
