import { once } from 'node:events';
import { Flags } from '@oclif/core';
import { checkBind } from '../core/config/bind.js';
import { limits } from '../core/config/limits.js';
import { Master as MasterProcess } from '../core/master.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { duration, noEffectFlags } from '../ux/flags.js';

export default class Master extends BaseCommand<typeof Master> {
  static override description = 'Run a master: the list by which filers find each other.';
  static override examples = [
    '<%= config.bin %> master',
    '<%= config.bin %> master --port=9334 --mdir=/var/lib/kelp',
    '<%= config.bin %> master --ip=10.0.0.5 --secretFile=/etc/kelp/secret',
  ];
  static override flags = {
    ...noEffectFlags(
      [
        'port.grpc',
        'peers',
        'defaultReplication',
        'volumeSizeLimitMB',
        'garbageThreshold',
        'whiteList',
        'metrics.address',
        'metrics.intervalSeconds',
        'metricsPort',
        'metricsIp',
        'heartbeatInterval',
        'electionTimeout',
        'telemetry.url',
        'debug.port',
      ],
      ['disableHttp', 'resumeState', 'raftHashicorp', 'raftBootstrap', 'telemetry', 'volumePreallocate', 'debug'],
    ),
    port: Flags.integer({ description: 'port to listen on; 0 takes any free one', default: 9333, min: 0, max: 65_535 }),
    ip: Flags.string({ description: 'address by which others reach it', default: '127.0.0.1' }),
    'ip.bind': Flags.string({ description: 'address to listen on; default: the one of --ip' }),
    mdir: Flags.string({ helpValue: '<dir>', description: 'directory of master.json, which keeps the cluster id', default: '.' }),
    clusterId: Flags.string({ description: 'cluster id of a master that has none yet, 16 hex digits', helpValue: '<id>' }),
    forgetAfter: duration({ description: 'how long a silent filer stays on the list', default: limits.forgetAfterMs }),
    insecure: Flags.boolean({ description: 'listen on an address that others can reach, though nothing is signed' }),
  };
  protected override readonly kind = 'daemon';

  async run(): Promise<void> {
    const { port, ip, mdir, clusterId, forgetAfter, insecure } = this.flags;
    const bind = this.flags['ip.bind'] ?? ip;
    const { logger, signal } = this;
    const { secrets } = this;
    const warning = checkBind({ bind, insecure, signed: secrets !== undefined, serves: 'list', line: ['kelp master', ...this.argv].join(' ') });
    if (warning) logger.warn(warning);
    const master = new MasterProcess({
      ip,
      bind,
      port,
      mdir,
      clusterId,
      forgetAfterMs: forgetAfter,
      secrets,
      program: `kelp ${this.config.version}`,
      time: realTime,
      logger,
    });
    await master.start();
    if (!signal.aborted) await once(signal, 'abort');
    await master.stop();
  }
}
