import type { Subject } from './run-seeds.js';

/** One rule of DESIGN, broken on purpose: the simulation must notice. */
export interface BrokenRule {
  readonly name: string;
  /** The rule. */
  readonly why: string;
  /** Where it must be noticed; left out, in one cluster. */
  readonly subject?: Subject;
  /** Each `find` stands in its file exactly once. */
  readonly patches: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
}

const row = 'src/core/change/row.ts';
const collection = 'src/core/replication/collection.ts';
const draft = 'src/core/log/draft.ts';
const treeDraft = 'src/core/log/tree-draft.ts';
const logDraft = 'src/core/log/log-draft.ts';
const joins = 'src/core/log/joins.ts';
const log = 'src/core/log/change-log.ts';
const meeting = 'src/core/replication/meeting.ts';
const feed = 'src/core/log/feed.ts';
const admission = 'src/core/filer-admission.ts';
const aggregator = 'src/core/replication/aggregator.ts';
const bootstrap = 'src/core/replication/bootstrap.ts';
const snapshotProgress = 'src/core/replication/snapshot-progress.ts';
const joining = 'src/core/replication/joining.ts';
const branches = 'src/core/replication/branches.ts';
const parting = 'src/core/replication/parting.ts';
const rejoin = 'src/core/replication/rejoin.ts';
const relay = 'src/core/replication/relay.ts';
const release = 'src/core/log/release.ts';
const runs = 'src/core/log/runs.ts';
const source = 'src/core/replication/source.ts';
const subscription = 'src/core/replication/subscription.ts';

const rule = (name: string, why: string, file: string, find: string, replace: string): BrokenRule => ({ name, why, patches: [{ file, find, replace }] });

const chainUnchecked = { file: logDraft, find: 'if (link !== null && chainHash(known.hash, link) !== change.hash) {', replace: 'if (link === undefined) {' };

export const brokenRules: readonly BrokenRule[] = [
  // ---- applying
  rule('author-ignored', 'Applying: equal versions go by author', row, '  if (a.author !== b.author) return a.author > b.author ? 1 : -1;\n', ''),
  rule('incoming-wins', 'Applying: the greater state wins', row, 'const order = compareStates(incoming, local);', 'const order = 1;'),
  rule(
    'vectors-not-merged',
    'Applying: vectors are merged by maximum, whoever wins',
    row,
    'const vector = mergeVectors(winner.vector, winner === local ? incoming.vector : local.vector);',
    'const vector = winner.vector;',
  ),
  {
    name: 'change-skipped',
    why: 'Applying: a change that leaves a gap is refused',
    patches: [
      {
        file: subscription,
        find: '.filter((change) => origins.includes(change.origin));',
        replace: '.filter((change, i, all) => origins.includes(change.origin) && (i > 0 || all.length < 3));',
      },
      { file: logDraft, find: 'if (change.seq > known.seq + 1) {', replace: 'if (change.seq > known.seq + 1e9) {' },
      chainUnchecked,
    ],
  },
  {
    name: 'duplicate-applied',
    why: 'Applying: a change with seq ≤ position is dropped',
    patches: [
      { file: draft, find: 'if (change.seq <= known.seq || change.origin === this.#identity.origin)', replace: 'if (change.origin === this.#identity.origin)' },
      chainUnchecked,
    ],
  },
  rule(
    'position-before-page',
    'Applying: a page is one transaction, with the position in it',
    log,
    '    const { outcomes, refused } = await this.alone(async (draft) => {',
    `    await this.alone(async (draft) => {
      for (const change of changes) {
        const known = draft.origins.get(change.origin);
        if (known?.seq === change.seq - 1) draft.setOrigin({ ...known, seq: change.seq, hash: change.hash, version: change.version });
      }
      await draft.flush();
    });
    const { outcomes, refused } = await this.alone(async (draft) => {`,
  ),
  // ---- writing
  rule(
    'replaced-rows-not-beaten',
    'Writing: a version is above those of the rows at all paths of the change',
    draft,
    'Math.max(oldRow?.version ?? 0, targetRow?.version ?? 0, outside?.version ?? 0)',
    'outside?.version ?? 0',
  ),
  rule(
    'tombstones-not-beaten',
    'Writing: tombstones count among the rows a version must beat',
    draft,
    'Math.max(oldRow?.version ?? 0, targetRow?.version ?? 0, outside?.version ?? 0)',
    'Math.max(oldRow?.entry ? oldRow.version : 0, targetRow?.entry ? targetRow.version : 0, outside?.version ?? 0)',
  ),
  rule(
    'acknowledged-too-early',
    'Writing: a change is acknowledged after its transaction is durable',
    log,
    '      return () => job.resolve(value);\n    } catch',
    '      job.resolve(value);\n      return () => {};\n    } catch',
  ),
  rule(
    'digest-keeps-replaced',
    'Digest: a bucket is the sum over the live rows',
    treeDraft,
    '    if (isLive(previous)) sum = takeFromSum(sum, previous.h);\n',
    '',
  ),
  rule(
    'children-not-counted-up',
    'The tree is a view: implied directories are found by counts of children',
    treeDraft,
    'if (directory !== root && (before === 0 || after === 0) &&',
    'if (directory !== root && after === 0 &&',
  ),
  // ---- ledger
  rule(
    'loser-forgotten',
    'Conflicts: the loser of two concurrent states is kept',
    joins,
    '    if (conflict) this.#conflicts.push(conflict);\n    const joined',
    '    const joined',
  ),
  rule(
    'child-of-deleted-forgotten',
    'Conflicts: a live row that arrives below a deletion that has not seen it is named',
    joins,
    'if (below) this.#conflicts.push(below);',
    '',
  ),
  rule(
    'rejoin-overrules-in-silence',
    'Rejoin: what loses goes to the ledger, what was there as well as what was remembered',
    rejoin,
    'const [winner, loser] = isWritten ? [row, standing] : [standing, row];',
    'const [winner, loser] = isWritten ? [null, null] : [standing, row];',
  ),
  // ---- feed, who asks whom
  rule(
    'cut-page-claims-head',
    'Feed: everything up to Filer-Position is complete',
    feed,
    'joinPositions(from.position, reached?.seqs ?? positionOf(state.origins))',
    'joinPositions(from.position, positionOf(state.origins))',
  ),
  rule(
    'nobody-relays',
    'Who asks whom: changes of an owner that is gone come from a peer that has them',
    relay,
    'const candidates = ahead.length > 0 ? ahead : members.has(orphan) ? able : [];',
    'const candidates: typeof able = [];',
  ),
  // ---- snapshots
  rule(
    'snapshot-without-tombstones',
    'Snapshot: one row per path, live or deleted',
    source,
    '      rows,\n',
    '      rows: rows.filter(({ entry }) => entry !== null),\n',
  ),
  rule(
    'tail-to-first-page-only',
    "Snapshot: the feed is followed up to every page's position",
    snapshotProgress,
    'goal: joinPositions(before?.goal ?? page.position, page.position),',
    'goal: before?.goal ?? page.position,',
  ),
  rule(
    'position-of-last-page',
    "Snapshot: the feed is followed from the first page's position",
    snapshotProgress,
    'reached: before?.reached ?? reachedAt(page),',
    'reached: reachedAt(page),',
  ),
  rule(
    'progress-not-kept',
    'Snapshot: a crash resumes at the last page, and a lost source empties the store',
    bootstrap,
    "        } else await draft.tx.write({ rows: { staging: current.rows } });\n        draft.setMeta('bootstrap', formatSnapshotProgress(progress));\n",
    '        } else await draft.tx.write({ rows: { staging: current.rows } });\n',
  ),
  rule('merge-replaces', 'Snapshot: rows at both sides are joined', bootstrap, 'else draft.joinRow(row);', 'else draft.setRow(row.path, row);'),
  rule(
    'merge-keeps-what-was-seen',
    'Snapshot: a row whose change the other has seen does not overrule what the other holds',
    bootstrap,
    'if (order < 0 && isLive(mine)',
    'if (order < -1 && isLive(mine)',
  ),
  rule(
    'merge-moves-back',
    'Snapshot: the position after a merge is the maximum of both',
    bootstrap,
    'state.origin !== draft.identity.origin && state.seq > (own.get(state.origin) ?? 0));',
    'state.origin !== draft.identity.origin);',
  ),
  rule(
    'merge-keeps-what-is-gone',
    'Snapshot: what stands here, is not there, and the other has seen was deleted there, and that forgotten',
    bootstrap,
    '      for (const path of dropped) draft.setRow(path, null);\n',
    '',
  ),
  rule(
    'merge-drops-unseen',
    'Snapshot: what the other has not seen stays, though it is not there',
    bootstrap,
    'rows.filter((row) => isLive(row) && row.dot !== null && isSeenThere(row.dot)).map',
    'rows.filter((row) => isLive(row) && row.dot !== null).map',
  ),
  rule(
    'merge-keeps-epoch',
    'Snapshot: a merge renews the feed epoch',
    bootstrap,
    'draft.setIdentity({ epoch: this.options.time.randomHex(4), floor: Math.max(draft.identity.floor, progress.floor) });',
    'draft.setIdentity({ floor: Math.max(draft.identity.floor, progress.floor) });',
  ),
  rule(
    'trimmed-in-silence',
    'Retention: a reader behind the trimmed part gets 410, never silence',
    logDraft,
    'for (const state of origins) this.set(originAt(state));',
    'for (const state of origins) this.set({ ...state, first: 1 });',
  ),
  {
    name: 'serves-while-filling',
    why: 'Snapshot: a store that is being filled serves nobody',
    patches: [
      { file: admission, find: "if (this.log.identity.phase !== 'ready' || this.#serving.signal.aborted)", replace: 'if (false)' },
      { file: joining, find: "answers.filter((info) => info.state === 'ready');", replace: 'answers.filter(() => true);' },
      { file: aggregator, find: "if (info.state !== 'ready') throw", replace: 'if (false) throw' },
    ],
  },
  {
    name: 'writes-while-filling',
    why: 'Rejoin: meanwhile it takes no client writes',
    patches: [
      { file: admission, find: "    if (phase !== 'ready') throw", replace: "    if (phase === 'fresh') throw" },
      { file: draft, find: "    if ((phase !== 'ready' && phase !== 'fresh') || this.#partedFrom !== null)", replace: '    if (this.#partedFrom !== null)' },
    ],
  },
  // ---- rejoin
  rule(
    'restored-keeps-origin',
    'Copied or restored: a new origin before anything is written',
    log,
    'await log.alone((draft) => renew(draft, time, true));',
    "await log.alone(async (draft) => {\n        draft.setMeta('restored', null);\n        await draft.flush();\n      });",
  ),
  rule(
    'remembers-what-is-known',
    'Rejoin: what the peer does not cover is written again',
    rejoin,
    'rejoin.isShort ? rows : rows.filter((row) => !hadBy(rejoin.overlap, row))',
    'rejoin.isShort ? rows : rows.filter((row) => hadBy(rejoin.overlap, row))',
  ),
  {
    name: 'deletions-forgotten',
    why: 'Rejoin: a remembered tombstone is written again if its vector covers the live row',
    patches: [
      {
        file: rejoin,
        find: 'if (vectorIncludes(row.vector, standing.author, standing.version)) {',
        replace: 'if (Math.abs(standing.version) < 0) {',
      },
      { file: rejoin, find: 'if (compareStates(row, standing) > 0) draft.reissue(', replace: 'if (Math.abs(standing.version) < 0) draft.reissue(' },
    ],
  },
  {
    name: 'rejoin-keeps-epoch',
    why: 'Feed: an epoch is renewed with the origin',
    patches: [
      { file: draft, find: '    this.setIdentity({ epoch });\n', replace: '' },
      {
        file: bootstrap,
        find: '      epoch: this.options.time.randomHex(4),\n      lineage:',
        replace: '      lineage:',
      },
    ],
  },
  rule(
    'goal-not-reached',
    'Rejoin: the snapshot reaches at least the position the remembered rows were chosen by',
    joining,
    'goal === null || (positionCovers(info.position, goal) && !strayed.has(info.origin))',
    'true',
  ),
  // ---- retention, collection, closing
  rule(
    'trimmed-front-in-silence',
    'Retention: a reader behind the trimmed part gets 410, never silence',
    logDraft,
    'this.set({ ...this.origin(origin), first: seq + 1, firstHash: hash, firstVersion: version });',
    'this.set({ ...this.origin(origin) });',
  ),
  rule(
    'age-alone-drops',
    'Tombstones: no age drops one that not everybody has seen',
    collection,
    'return dot !== null && seen.every((position) => positionIncludes(position, dot));',
    'return dot !== null || seen.some((position) => positionIncludes(position, dot));',
  ),
  rule(
    'missing-reports-ignored',
    'Tombstones: a report is held for every origin that is not closed',
    collection,
    'return seen.every((position) => position !== null) ? seen : null;',
    'return seen.filter((position) => position !== null);',
  ),
  rule(
    'report-not-covered',
    'Reports: one counts only once this store has everything it tells of',
    'src/core/replication/reports.ts',
    'if (candidate === null || !isCovered(candidate, state)) continue;',
    'if (candidate === null) continue;',
  ),
  rule('floor-not-raised', 'Tombstones: dropping one raises the floor', collection, '    if (dropped > 0) draft.setIdentity({ floor });\n', ''),
  // ---- parted histories
  {
    name: 'owner-keeps-branch',
    why: "Parted histories: the origin's owner gives up its branch",
    patches: [
      {
        file: branches,
        find: 'isOurs: origin === own || (origin !== info.origin && parted.here < parted.there) };',
        replace: 'isOurs: origin !== own && origin !== info.origin && parted.here < parted.there };',
      },
      {
        file: branches,
        find: 'hash: await hashAtCommon(own, mine, peer, state, store, signal), isOurs: true };',
        replace: 'hash: await hashAtCommon(own, mine, peer, state, store, signal), isOurs: false };',
      },
    ],
  },
  rule(
    'nobody-of-two-gives-up',
    'Parted histories: between two others, the one with the smaller hash gives up',
    branches,
    'isOurs: origin === own || (origin !== info.origin && parted.here < parted.there) };',
    'isOurs: origin === own };',
  ),
  rule(
    'undotted-dropped-by-merge',
    'Parted histories: no snapshot drops undotted rows',
    bootstrap,
    '.filter((row) => isLive(row) && row.dot !== null && isSeenThere(row.dot))',
    '.filter((row) => isLive(row) && (row.dot === null || isSeenThere(row.dot)))',
  ),
  rule(
    'undotted-not-written-again',
    'Parted histories: each undotted row that still stands is written as a new change',
    parting,
    "        draft.reissue(isLive(row) ? { kind: 'put', path, entry: JSON.parse(row.entry) as Entry } : { kind: 'delete', path });\n",
    '        draft.row(path);\n',
  ),
  rule(
    'doubt-ignored-by-branch',
    'Parted histories: what the others may have had, deleted and forgotten is not brought back',
    parting,
    'if (row.version <= floor && isInDoubt(row, doubts, (author) => draft.origins.has(author))) {',
    'if (row.version < 0 && isInDoubt(row, doubts, (author) => draft.origins.has(author))) {',
  ),
  rule('rejoin-keeps-parted', 'Rejoin: an emptied store has no rows of a branch that wait', 'src/core/log/draft.ts', '    this.clearParted();\n', ''),
  rule(
    'floor-alone-is-nothing',
    'Rejoin: a store that has forgotten deletions has its floor and its lineage to give',
    joining,
    '!isEmptyPosition(info.position) || info.floor > 0',
    '!isEmptyPosition(info.position)',
  ),
  rule(
    'branch-waits-for-nobody',
    'Parted histories: who waits to be level with somebody does not wait for those that wait for it',
    'src/core/upkeep.ts',
    'force || this.#mustGoFirst(nobodyServes)',
    'force || (this.#mustGoFirst(nobodyServes) && false)',
  ),
  rule(
    'rejoin-by-position-alone',
    'Rejoin: rows on another branch than the peer has are not covered',
    joining,
    'const overlap = await overlapWith(info, peer, log.state, store, signal);',
    'const overlap = new Map([...info.position].map(([origin, seq]) => [origin, { common: seq, foreign: seq + 1 }]));\n    void [overlapWith, store];',
  ),
  rule(
    'runs-ignored',
    'Parted histories: runs tell branches apart where logs no longer reach back',
    runs,
    'if (from > end) return null;',
    'if (from > 0) return null;',
  ),
  rule(
    'pages-of-two-histories',
    'Snapshot: every page is of the history of the one before',
    bootstrap,
    '    const moved = movedSince(progress, page, info.address);\n',
    '    const moved = new Map();\n    void movedSince;\n',
  ),
  // ---- lineages
  rule(
    'lineages-ignored',
    'Lineages: between two, one side gives way before any change passes',
    meeting,
    "if (me.lineage === null || other.lineage === null || me.lineage === other.lineage) return 'follow';",
    "if (me.lineage !== '') return 'follow';",
  ),
  rule(
    'merges-what-was-collected',
    'Lineages: two become one only if neither has known another nor dropped a tombstone',
    meeting,
    'return !me.isParted && !other.isParted && isClean(me, other) && isClean(other, me);',
    'return !me.isParted && !other.isParted;',
  ),
  rule(
    'adopts-unknown',
    'Lineages: a store is made known before it takes over the lineage of the other',
    meeting,
    "return isFirst ? 'wait' : other.knows.has(me.origin) ? 'adopt' : 'introduce';",
    "return isFirst ? 'wait' : 'adopt';",
  ),
  rule(
    'nobody-gives-way',
    'Lineages: of two that both hold something, one rejoins',
    meeting,
    "return isFirst ? 'wait' : 'rejoin';",
    "return isFirst ? 'wait' : 'wait';",
  ),
  rule(
    'original-gives-way',
    'Lineages: of a store and its copy that know as many others, the copy rejoins',
    meeting,
    "if (isCopy !== other.former.includes(me.origin)) return isCopy ? 'rejoin' : 'wait';",
    "if (isCopy !== other.former.includes(me.origin)) return isCopy ? 'wait' : 'rejoin';",
  ),
  rule(
    'lineage-not-taken-over',
    'Lineages: a snapshot brings the lineage of its source',
    bootstrap,
    'lineage: lineage ?? draft.identity.lineage,',
    'lineage: lineage === null ? null : draft.identity.lineage,',
  ),
  // ---- quarantine
  rule(
    'report-not-cut',
    'Reports: cut before the oldest quarantined change of each origin',
    source,
    'return appliedPosition(log.position, log.state.quarantine);',
    'return log.position;',
  ),
  rule(
    'quarantine-not-carried',
    'Snapshot: the first page carries the quarantined changes',
    source,
    'quarantined: after === null ? [...log.state.quarantine.values()].map(({ text }) => text) : [],',
    'quarantined: [],',
  ),
  rule('let-go-without-effect', 'A change that cannot be applied is tried again, and then applied', release, '        draft.join(change);\n', ''),
  // ---- floor, closing
  {
    name: 'floor-not-taken-over',
    why: "Snapshot: the source's floor is taken over by maximum",
    patches: [
      {
        file: bootstrap,
        find: 'draft.setIdentity({ epoch: this.options.time.randomHex(4), floor: Math.max(draft.identity.floor, progress.floor) });',
        replace: 'draft.setIdentity({ epoch: this.options.time.randomHex(4) });',
      },
      {
        file: bootstrap,
        find: 'floor: Math.max(floor, progress.floor),',
        replace: 'floor,',
      },
    ],
  },
  rule(
    'closed-for-some',
    'Closing: reports of a closed origin are waited for until everybody who may write has seen that it is closed',
    collection,
    'if (seen === null || !positionIncludes(seen, dot)) return false;',
    '',
  ),
  {
    name: 'closed-heard-itself',
    why: "Closing: a closed origin's changes are taken only from others, checked when they are applied",
    patches: [
      { file: log, find: 'if (change.origin === from && draft.closed.has(change.origin)) break;', replace: '' },
      { file: aggregator, find: '    if (closed.has(subscription.origin))\n      throw', replace: '    if (false)\n      throw' },
    ],
  },
  // ---- expiry
  rule(
    'expired-by-its-author-alone',
    'TTL: what expires is deleted by the lowest live origin if its author is no member',
    'src/core/namespace/expiry.ts',
    "return !members.some(({ origin }) => origin === author) && members.every(({ origin, state }) => state !== 'up' || own <= origin);",
    'return false;',
  ),
];
