import { Args } from '@oclif/core';
import { knownFilers, knownPaths } from '../core/api/known-names.js';
import { formatAddress, parseAddress } from '../core/config/address.js';
import { limits } from '../core/config/limits.js';
import { isFailure } from '../core/errors.js';
import { BaseCommand } from '../ux/base-command.js';
import { complete, type Completion } from '../ux/completion/complete.js';
import { scripts } from '../ux/completion/scripts.js';
import { topics, visibleCommands } from '../ux/manual/manual.js';

export default class CompletionScript extends BaseCommand<typeof CompletionScript> {
  static override description = [
    'Print a script that makes a shell complete commands, flags, addresses of filers and paths in their trees.\n',
    'Addresses come from the master at KELP_MASTER or localhost:9333, paths from the filer that is named, or KELP_FILER, or localhost:8888;',
    'whoever does not answer within half a second adds nothing. With candidates instead of a shell it prints what may stand for the last of the words after --.',
  ].join(' ');
  static override examples = [
    { description: 'For this shell; put it into ~/.bashrc to keep it', command: 'source <(<%= config.bin %> completion bash)' },
    { description: 'Likewise in ~/.zshrc, after compinit', command: '<%= config.bin %> completion zsh' },
    { description: 'As a file in ~/.config/fish/completions', command: '<%= config.bin %> completion fish' },
  ];
  static override args = {
    shell: Args.string({ description: 'bash, zsh or fish', required: true, options: [...Object.keys(scripts), 'candidates'] }),
  };
  static override strict = false;

  async run(): Promise<void> {
    const { shell } = this.args;
    if (shell !== 'candidates') {
      process.stdout.write(scripts[shell as keyof typeof scripts]);
      return;
    }
    const typed = this.argv.includes('--') ? this.argv.slice(this.argv.indexOf('--') + 1) : [];
    const found = complete(typed, visibleCommands(this.config), Object.keys(topics));
    const lines = await this.#linesOf(found);
    process.stdout.write([found.kind === 'files' ? 'files' : 'words', ...lines, ''].join('\n'));
  }

  async #linesOf(found: Completion): Promise<string[]> {
    switch (found.kind) {
      case 'files':
        return [];
      case 'words':
        return found.words.map(({ word, about }) => `${word}\t${about}`);
      case 'filers':
        return (await this.#ask(process.env.KELP_MASTER, 9333, knownFilers)).filter((word) => word.startsWith(found.typed)).map((word) => found.before + word);
      case 'paths': {
        const slash = found.typed.lastIndexOf('/');
        const [directory, prefix] = slash < 0 ? ['/', found.typed] : [found.typed.slice(0, slash) || '/', found.typed.slice(slash + 1)];
        const paths = await this.#ask(found.filer ?? process.env.KELP_FILER, 8888, (question) => knownPaths(question, directory, prefix));
        return paths.filter((path) => path.startsWith(found.typed)).map((path) => found.before + path);
      }
    }
  }

  /** Who completes a word has no use for an error. */
  async #ask(address: string | undefined, port: number, question: (about: Parameters<typeof knownFilers>[0]) => Promise<string[]>): Promise<string[]> {
    try {
      const [first = 'localhost'] = (address ?? 'localhost').split(',');
      const signal = AbortSignal.timeout(limits.completionMs);
      return await question({ address: formatAddress(parseAddress(first, 'address', port)), signer: this.signer, signal });
    } catch (error) {
      if (isFailure(error) || (error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name))) return [];
      throw error;
    }
  }
}
