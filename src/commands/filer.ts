import { once } from 'node:events';
import { Flags } from '@oclif/core';
import { checkBind } from '../core/config/bind.js';
import { limits } from '../core/config/limits.js';
import { FilerProcess } from '../core/filer-process.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, duration, noEffectFlags } from '../ux/flags.js';

export default class Filer extends BaseCommand<typeof Filer> {
  static override description = 'Run a filer: a file server that keeps its metadata the same as that of every other filer of its cluster.';
  static override examples = [
    '<%= config.bin %> filer',
    '<%= config.bin %> filer --port=8889 --master=localhost:9333 --defaultStoreDir=/var/lib/kelp',
    '<%= config.bin %> filer --ip=10.0.0.6 --master=10.0.0.5:9333 --secretFile=/etc/kelp/secret',
  ];
  static override flags = {
    ...noEffectFlags(
      [
        'port.grpc',
        'collection',
        'defaultReplicaPlacement',
        'dataCenter',
        'rack',
        'disk',
        'maxMB',
        'concurrentUploadLimitMB',
        'concurrentFileUploadLimit',
        'downloadMaxMBps',
        'localSocket',
        'metricsPort',
        'metricsIp',
        'debug.port',
        'tusBasePath',
        'tusMaxSizeMB',
        'tusSessionExpiry',
        'allowedOrigins',
        's3.port',
        's3.config',
        's3.domainName',
        'webdav.port',
        'sftp.port',
        'iam.port',
      ],
      ['disableHttp', 'encryptVolumeData', 'ui.deleteDir', 'debug', 's3', 'webdav', 'iam', 'sftp'],
    ),
    port: Flags.integer({ description: 'port to listen on; 0 takes any free one', default: 8888, min: 0, max: 65_535 }),
    'port.readonly': Flags.integer({ description: 'second port that answers only reads of the tree, and health; 0 = none', default: 0, min: 0, max: 65_535 }),
    dirListLimit: Flags.integer({ description: 'entries of one page of a listing, and the most a request may ask for', min: 1, max: limits.dirListLimitMax }),
    disableDirListing: Flags.boolean({ description: 'list no directories' }),
    exposeDirectoryData: Flags.boolean({ description: 'show what directories hold and are', default: true, allowNo: true }),
    ip: Flags.string({ description: 'address by which others reach it', default: '127.0.0.1' }),
    'ip.bind': Flags.string({ description: 'address to listen on; default: the one of --ip' }),
    master: addresses({ description: 'masters to register with, with commas between', default: ['localhost:9333'], defaultPort: 9333 }),
    defaultStoreDir: Flags.string({ description: 'folder of the store; made if it is absent', default: '.', helpValue: '<dir>' }),
    filerGroup: Flags.string({ description: 'filers of different groups do not see each other', default: '' }),
    saveToFilerLimit: Flags.integer({ description: 'bytes of the largest file it takes', default: limits.contentBytesMax, min: 0, max: limits.pageBytesMax }),
    subtreeLimit: Flags.integer({ description: 'entries that one recursive delete or directory move may touch', default: limits.subtreeEntries, min: 1 }),
    maxClockSkew: duration({ description: 'how far the clock of a peer may be ahead', default: limits.clockSkewMs }),
    'log.retention': duration({ description: 'how long a change stays in the log that everybody has acknowledged', default: limits.logRetentionMs }),
    'log.retentionMax': duration({
      description: 'how long any change stays in the log; who was away longer takes a snapshot',
      default: limits.logRetentionMaxMs,
    }),
    'log.maxBytes': Flags.integer({
      description: 'bytes the log may hold, acknowledged or not; the oldest changes go first',
      default: limits.logBytesMax,
      min: 1,
    }),
    'tombstone.retention': duration({ description: 'how long a deletion stays known after everybody has seen it', default: limits.tombstoneRetentionMs }),
    forgetAfter: duration({
      description: 'how long a filer may be silent before its origin is closed; it rejoins when it comes back',
      default: limits.forgetAfterMs,
    }),
    'conflict.retention': duration({ description: 'how long an overruled state stays in the conflict ledger', default: limits.conflictRetentionMs }),
    'conflict.maxBytes': Flags.integer({ description: 'bytes the conflict ledger may take; the oldest make room', default: limits.conflictBytes, min: 1 }),
    'scrub.interval': duration({ description: 'pause between two scrubs, which look for damage to the store; 0 = never', default: limits.scrubIntervalMs }),
    force: Flags.boolean({ description: 'go on with a restored store, or be the first of a cluster whose members all were restored' }),
    insecure: Flags.boolean({ description: 'listen on an address that others can reach, though nothing is signed' }),
  };
  protected override readonly kind = 'daemon';

  async run(): Promise<void> {
    const { port, ip, master, defaultStoreDir, filerGroup, saveToFilerLimit, subtreeLimit, maxClockSkew, force, insecure } = this.flags;
    const bind = this.flags['ip.bind'] ?? ip;
    const { logger, signal } = this;
    const { secrets } = this;
    const warning = checkBind({ bind, insecure, signed: secrets !== undefined, serves: 'tree', line: ['kelp filer', ...this.argv].join(' ') });
    if (warning) logger.warn(warning);
    const filer = await FilerProcess.start({
      ip,
      bind,
      port,
      readOnlyPort: this.flags['port.readonly'],
      directories: { dirListLimit: this.flags.dirListLimit, listed: !this.flags.disableDirListing, exposed: this.flags.exposeDirectoryData },
      masters: master,
      dir: defaultStoreDir,
      group: filerGroup,
      force,
      secrets,
      program: `kelp ${this.config.version}`,
      limits: {
        contentBytesMax: saveToFilerLimit,
        subtreeEntries: subtreeLimit,
        clockSkewMs: maxClockSkew,
        logRetentionMs: this.flags['log.retention'],
        logRetentionMaxMs: this.flags['log.retentionMax'],
        logBytesMax: this.flags['log.maxBytes'],
        tombstoneRetentionMs: this.flags['tombstone.retention'],
        forgetAfterMs: this.flags.forgetAfter,
        conflictRetentionMs: this.flags['conflict.retention'],
        conflictBytes: this.flags['conflict.maxBytes'],
        scrubIntervalMs: this.flags['scrub.interval'],
      },
      time: realTime,
      logger,
    });
    if (!signal.aborted) await once(signal, 'abort');
    await filer.stop();
  }
}
