import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { etcdBin } from './support/etcd.js';

const run = (file: string, args: readonly string[], cwd?: string) =>
  void execFileSync(file, args, { stdio: 'inherit', cwd, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });

/** Installs what kelp is measured against: Debian's etcd and sqlite3, and the client of npm. Needs root where a package is missing. */
export function setUp(): void {
  const missing = [existsSync(etcdBin) ? '' : 'etcd-server', existsSync('/usr/bin/sqlite3') ? '' : 'sqlite3'].filter((name) => name !== '');
  if (missing.length > 0) {
    run('apt-get', ['update']);
    run('apt-get', ['install', '-y', '--no-install-recommends', ...missing]);
  }
  run('npm', ['install', '--no-audit', '--no-fund'], fileURLToPath(new URL('.', import.meta.url)));
}
