import { durationForm } from '../../core/config/duration.js';
import { timestampForm } from '../../core/config/timestamp.js';
import { lines, paragraph, terms, type Document } from './document.js';

export function formatsTopic(): Document {
  return {
    name: 'kelp-formats',
    section: 7,
    summary: 'What flags take and what commands print',
    parts: [
      {
        heading: 'FLAGS',
        blocks: [
          terms([
            ['<duration>', durationForm],
            ['<time>', timestampForm],
            ['<host:port>', 'a name or an IPv4 address; without a port it is the standard one: 8888 of a filer, 9333 of a master'],
            ['<glob>', '* and ? and [a-z], as the shell has them; * stops at a "/"; a backslash takes the next character as it is'],
            ['<origin:seq~…>', 'a position: of each origin, 16 hex digits, how many of its changes are covered; good at every filer of the cluster'],
            ['<offset>', 'a place in the feed of one filer; good at that filer only'],
          ]),
          paragraph(
            'Flags may have one dash or two, and their value after = or as the next word: -filer=a and --filer a are the same. --no-follow is --follow=false.',
          ),
        ],
      },
      {
        heading: 'OUTPUT',
        blocks: [
          paragraph(
            'Results go to stdout, everything else to stderr. A table is aligned on a terminal, where columns of low worth are left out if it is narrow, and has tabs between its cells elsewhere; "-" is no value. Characters that would steer a terminal are written as \\xNN or \\u{NNNN}.',
          ),
          paragraph('With --json a command prints one JSON value, a follower one value a line. 64-bit numbers and nanoseconds are decimal text in JSON.'),
        ],
      },
      {
        heading: 'A CHANGE',
        blocks: [
          paragraph('filer.meta.tail prints each change on one line, in the shape of weed filer.meta.tail, with "replication" added:'),
          lines(
            '{"directory":"/docs","tsNs":"1763763267123456000",',
            ' "eventNotification":{"oldEntry":{…},"newEntry":{…},"newParentPath":"/docs",…},',
            ' "replication":{"origin":"0123456789abcdef","seq":42,"hash":"5d41402abc4b",',
            '  "version":1763763267123456,"author":"…","vector":{…},"clusters":[],"applied":"won"}}',
          ),
          terms([
            ['newEntry alone', 'a create'],
            ['oldEntry alone', 'a delete'],
            ['both', 'an update, or a rename if the two paths differ; "directory" is that of the old path'],
            ['origin, seq', 'the dot: names the change for ever'],
            ['version', 'its time, microseconds since 1970'],
            ['applied', 'what became of it at this filer: won, lost, partly, quarantined'],
          ]),
          paragraph('With --format=short a change is one line with tabs between time, operation, path and details:'),
          lines('2026-11-21T10:00:00Z  CREATE  /docs/a.txt  size=5 chunks=0', '2026-11-21T10:00:09Z  RENAME  /docs/b.txt  size=5 chunks=0 from=/docs/a.txt'),
        ],
      },
    ],
  };
}
