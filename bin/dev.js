#!/usr/bin/env node
// Starts kelp from its TypeScript, without a build.
import { fileURLToPath } from 'node:url';
import { register } from 'tsx/esm/api';

process.env.NODE_ENV = 'development';
register();

const { Plugin } = await import('@oclif/core/config');
const { runCli } = await import('../src/ux/run-cli.ts');
const root = fileURLToPath(new URL('..', import.meta.url));
// The manifest of the last build would lead back to dist.
const kelp = new Plugin({ root, isRoot: true, ignoreManifest: true });
await kelp.load();
const help = new Plugin({ root, name: '@oclif/plugin-help', type: 'core' });
await help.load();
await runCli(process.argv.slice(2), { root, plugins: [kelp, help] });
