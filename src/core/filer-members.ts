import { isFailure, messageOf } from './errors.js';
import type { Member } from './cluster/member.js';
import { membersFromText, membersToText } from './cluster/saved-members.js';
import type { ChangeLog } from './log/change-log.js';
import type { Logger } from './logger.js';

const membersMeta = 'members';

/** The members a filer knows of, kept in its store, so that it finds its peers when no master does. */
export class FilerMembers {
  #list: readonly Member[];
  #saved: string;

  constructor(
    private readonly log: ChangeLog,
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly stopped: AbortSignal,
  ) {
    this.#saved = log.openedMeta.get(membersMeta) ?? '[]';
    this.#list = membersFromText(this.#saved);
  }

  get list(): readonly Member[] {
    return this.#list;
  }

  /** Takes over a new list; it is saved in the background. */
  change(list: readonly Member[]): void {
    this.#list = list;
    void this.#save();
  }

  async #save(): Promise<void> {
    const text = membersToText(this.#list);
    if (text === this.#saved || this.stopped.aborted) return;
    this.#saved = text;
    try {
      await this.log.alone(async (draft) => {
        draft.setMeta(membersMeta, text);
        await draft.flush();
      });
    } catch (error) {
      this.#saved = '';
      if (!isFailure(error, 'STOPPING')) this.logger.warn(`the member list could not be saved: ${messageOf(error)}`);
    }
  }
}
