import { CommandHelp, Errors, Help } from '@oclif/core';
import { synopsisOf } from './manual/command-page.js';
import { plainText } from './manual/plain-text.js';
import { topics, visibleCommands } from './manual/manual.js';
import { dotted, nearest } from './suggest.js';
import { widthOf } from './terminal.js';

/** Widest text that is still easy to read, and what is taken where the output is no terminal. */
const widthMax = 100;

/** What can be pasted comes first. */
class ExamplesFirst extends CommandHelp {
  /** The flags are listed below, each with what it means. */
  protected override defaultUsage(): string {
    return synopsisOf(this.command);
  }

  protected override sections(): ReturnType<CommandHelp['sections']> {
    const sections = super.sections();
    const first = sections.filter(({ header }) => header === 'EXAMPLES');
    return [...first, ...sections.filter((section) => !first.includes(section))];
  }
}

/** `kelp help`: the commands as oclif shows them, examples first, and the topics of the manual. */
export default class KelpHelp extends Help {
  protected override CommandHelpClass = ExamplesFirst;

  override async showHelp(argv: string[]): Promise<void> {
    const words = argv.filter((word) => word !== 'help' && !word.startsWith('-'));
    const [subject] = words;
    const topic = subject !== undefined && Object.hasOwn(topics, subject) ? topics[subject] : undefined;
    if (topic) {
      const text = plainText(topic(visibleCommands(this.config)), Math.min(widthMax, widthOf(process.stdout) ?? widthMax));
      this.log(text.trimEnd());
      return;
    }
    const commands = this.config.commands.filter(({ hidden }) => !hidden).map(({ id }) => id);
    const meant = dotted(words, commands);
    if (meant === null && subject !== undefined && !this.config.findCommand(subject)) {
      const near = nearest(subject, [...commands, ...Object.keys(topics)]);
      throw new Errors.CLIError(`there is no help for ${subject}${near === null ? '' : `; did you mean kelp help ${near}?`}`, { exit: 2 });
    }
    await super.showHelp(meant === null ? argv : [meant]);
  }

  protected override async showRootHelp(): Promise<void> {
    await super.showRootHelp();
    const rows = Object.entries(topics).map(([name, topic]): [string, string] => [name, topic([]).summary]);
    this.log(this.section('TOPICS, shown by kelp help TOPIC', this.renderList(rows, { indentation: 2, spacer: '\n' })));
    this.log('');
  }
}
