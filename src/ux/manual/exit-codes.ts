import { failures } from '../../core/errors.js';
import { paragraph, terms, type Document } from './document.js';

/** What a command ends with. */
export const exitCodes: readonly { readonly exit: string; readonly meaning: string }[] = [
  { exit: '0', meaning: 'yes, or done' },
  { exit: '1', meaning: 'no: behind, different, conflicts, quarantined, not found, gone, or the time is over' },
  { exit: '2', meaning: 'usage or configuration' },
  { exit: '3', meaning: 'a filer or a master cannot be reached' },
  { exit: '4', meaning: 'not allowed: signature, foreign cluster' },
  { exit: '5', meaning: 'the store cannot be used: locked, corrupt, full, of a newer format' },
  { exit: '70', meaning: 'a bug of kelp' },
  { exit: '130, 143', meaning: 'interrupted: SIGINT, SIGTERM' },
];

export function exitCodesTopic(): Document {
  const rows = Object.entries(failures).map(([code, { exit, status, retriable }]): [string, string] => [
    code,
    `exit ${exit}, HTTP ${status}${retriable ? '; the same may succeed later' : ''}`,
  ]);
  return {
    name: 'kelp-exit-codes',
    section: 7,
    summary: 'How commands end, and the codes of failures',
    parts: [
      {
        heading: 'EXIT CODES',
        blocks: [
          terms(exitCodes.map(({ exit, meaning }) => [exit, meaning])),
          paragraph(
            'A follower that is interrupted says where to resume. One whose output is closed, as by head, ends with 0. A master and a filer end with 0 when they are told to stop; a second signal ends any command at once.',
          ),
        ],
      },
      {
        heading: 'FAILURES',
        blocks: [
          paragraph('Each failure has a code that stays the same: in the JSON body of an HTTP answer, and under --json, as "code" beside "error".'),
          terms(rows),
        ],
      },
    ],
  };
}
