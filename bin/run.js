#!/usr/bin/env node
import { existsSync } from 'node:fs';

const built = new URL('../dist/ux/run-cli.js', import.meta.url);
if (!existsSync(built)) {
  process.stderr.write('kelp is not built: run npm run build\n');
  process.exit(2);
}
const [{ runCli }, { settings }] = await Promise.all([import(built.href), import('@oclif/core/settings')]);
// A user's NODE_ENV must not make the command line look for TypeScript.
settings.enableAutoTranspile = false;
await runCli(process.argv.slice(2), import.meta.url);
