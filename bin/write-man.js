// `npm run man`: writes man/ from the built commands; pages of commands that are gone are removed.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core';
import { manPages } from '../dist/ux/manual/manual.js';

const folder = new URL('../man/', import.meta.url);
const config = await Config.load({ root: fileURLToPath(new URL('..', import.meta.url)), enablePerf: false });
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const [file, text] of manPages(config)) writeFileSync(new URL(file, folder), text);
