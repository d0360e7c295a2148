import { Flags } from '@oclif/core';
import { BaseCommand } from '../ux/base-command.js';

export interface Versions {
  kelp: string;
  node: string;
  platform: string;
}

export default class Version extends BaseCommand<typeof Version> {
  static override description = 'Show which version of kelp this is, and what it runs on.';
  static override examples = ['<%= config.bin %> version', '<%= config.bin %> version --json', '<%= config.bin %> version --short'];
  static override enableJsonFlag = true;
  static override flags = {
    short: Flags.boolean({ description: 'print the version number alone' }),
  };

  async run(): Promise<Versions> {
    const versions = { kelp: this.config.version, node: process.versions.node, platform: `${process.platform} ${process.arch}` };
    this.log(this.flags.short ? versions.kelp : `kelp ${versions.kelp}, node ${versions.node}, ${versions.platform}`);
    return versions;
  }
}
