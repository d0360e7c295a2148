import { once } from 'node:events';
import { Flags } from '@oclif/core';
import { checkBind } from '../core/config/bind.js';
import { limits } from '../core/config/limits.js';
import { FilerProcess } from '../core/filer-process.js';
import { Master } from '../core/master.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, noEffectFlags } from '../ux/flags.js';

export default class Server extends BaseCommand<typeof Server> {
  static override description = [
    'Run a master and a filer in one process.\n',
    'Further filers join it with --master; for anything but the ports, the address and the folder run kelp master and kelp filer.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> server --dir=/var/lib/kelp',
    '<%= config.bin %> server --dir=/var/lib/kelp --filer.port=8889 --master.port=9334',
    '<%= config.bin %> server --ip=10.0.0.5 --dir=/var/lib/kelp --secretFile=/etc/kelp/secret',
  ];
  static override flags = {
    ...noEffectFlags(
      ['dataCenter', 'rack', 'master.defaultReplication', 'master.volumeSizeLimitMB', 'volume.port', 'volume.max', 'volume.dir.idx', 's3.port', 'webdav.port'],
      ['filer', 'master', 'volume', 's3', 'webdav', 'iam', 'sftp'],
    ),
    dir: Flags.string({ description: 'folder of the store and of master.json; made if it is absent', default: '.', helpValue: '<dir>' }),
    ip: Flags.string({ description: 'address by which others reach it', default: '127.0.0.1' }),
    'ip.bind': Flags.string({ description: 'address to listen on; default: the one of --ip' }),
    'master.port': Flags.integer({ description: 'port of the master; 0 takes any free one', default: 9333, min: 0, max: 65_535 }),
    'master.peers': addresses({ description: 'further masters to register with, with commas between', defaultPort: 9333 }),
    'filer.port': Flags.integer({ description: 'port of the filer; 0 takes any free one', default: 8888, min: 0, max: 65_535 }),
    filerGroup: Flags.string({ description: 'filers of different groups do not see each other', default: '' }),
    force: Flags.boolean({ description: 'go on with a restored store, or be the first of a cluster whose members all were restored' }),
    insecure: Flags.boolean({ description: 'listen on an address that others can reach, though nothing is signed' }),
  };
  protected override readonly kind = 'daemon';

  async run(): Promise<void> {
    const { dir, ip, filerGroup, force, insecure } = this.flags;
    const bind = this.flags['ip.bind'] ?? ip;
    const { logger, signal, secrets } = this;
    const warning = checkBind({ bind, insecure, signed: secrets !== undefined, serves: 'tree', line: ['kelp server', ...this.argv].join(' ') });
    if (warning) logger.warn(warning);
    const both = { ip, bind, secrets, program: `kelp ${this.config.version}`, time: realTime, logger };
    const master = new Master({ ...both, port: this.flags['master.port'], mdir: dir, forgetAfterMs: limits.forgetAfterMs });
    await master.start();
    try {
      const masters = [master.address, ...(this.flags['master.peers'] ?? [])];
      const filer = await FilerProcess.start({ ...both, port: this.flags['filer.port'], masters, dir, group: filerGroup, force, limits: {} });
      if (!signal.aborted) await once(signal, 'abort');
      await filer.stop();
    } finally {
      await master.stop();
    }
  }
}
