/**
 * Every bound of the product, with its unit and its reason. Past a bound the answer is 413, 429 or 503 with Retry-After; nothing
 * grows without one. Values marked (flag) can be changed at start.
 */
export const limits = {
  // ---- bodies and headers, bytes
  /** Inline content of one file (flag --saveToFilerLimit). Content is in every log and every store, so it stays small. */
  contentBytesMax: 1024 * 1024,
  /** One JSON body of the replication API. */
  jsonBodyBytesMax: 8 * 1024 * 1024,
  /** All headers of a request: a position of 400 origins is about 14 KiB and stands in three headers. */
  headerBytesMax: 64 * 1024,
  headersMax: 200,
  /** Objects and arrays within each other in an entry: it is walked by recursion, and the stack has an end. */
  jsonDepthMax: 100,

  /** Tags and kept headers of one entry as they are stored, bytes: they go out in the headers of one answer, beside a position. */
  extendedBytesMax: 32 * 1024,

  // ---- feed
  /** Changes in one page. */
  pageChanges: 1000,
  pageChangesMax: 10_000,
  /** Bytes of text in one page; at least one change goes out whatever its size. */
  pageBytes: 4 * 1024 * 1024,
  pageBytesMax: 16 * 1024 * 1024,
  /** How long a request waits for news, milliseconds. */
  longPollMs: 25_000,
  longPollMsMax: 60_000,
  /** Readers waiting at one filer; a waiter is a flag and a held request. */
  waitersMax: 1024,
  /** Of those, kept for peers. */
  waitersForPeers: 16,
  /** Pages (of the feed, a snapshot, a directory, the ledger) read at one time: each may hold `pageBytesMax` before it goes out. */
  readsMax: 8,
  /** Pages of clients that wait to be read: all that wait for news may be woken at once. Beyond it 503. */
  readsWaitingMax: 4096,
  /** Pages kept, and their bytes, shared by all readers at the same place: changes one by one, whole pages, and filtered answers each. */
  pageCacheEntries: 8,
  pageCacheBytes: 32 * 1024 * 1024,
  /** Text of the last changes kept in memory, bytes, twice as much at times: followers that keep up ask for no others. */
  recentBytes: 4 * 1024 * 1024,
  /** What the last changes did to paths, kept in memory, in paths, twice as many at times: two seconds of fast writes, at most some 8 MB. */
  recentSteps: 10_000,

  // ---- import
  /** Changes in one request, and so in one transaction; their bytes are those of a JSON body. */
  importChanges: 1000,
  /** Changes that are decided while those before them are written: enough that a statement is worth its way to another thread. */
  importStep: 150,
  /** How long a client waits for them to be written, milliseconds: a slow disk, and others before them. */
  importMs: 60_000,

  // ---- replay
  /**
   * Changes, and about how many bytes of them, a replay decides on together while those before them are written: so few that most of what is made of
   * them is gone before it counts as long-lived.
   */
  replayChanges: 600,
  replayBytes: 2 * 1024 * 1024,
  /**
   * Changes of one transaction of a replay into a folder, and bytes of them, about: what it writes more than once, and waits for the disk, is soon little
   * beside them. Their rows are in memory until it ends.
   */
  replayTransactionChanges: 6000,
  replayTransactionBytes: 8 * 1024 * 1024,
  /** Changes, and about how many bytes of them, read ahead while the folder is busy, besides the page under way. With 300 a replay takes some 10 MB more. */
  replayReadAhead: 150,
  replayReadAheadBytes: 2 * 1024 * 1024,
  /** The same changes while a filer is: what has been read then goes into one request, and a great one costs the filer less than two. */
  replayReadAheadSent: 600,
  /**
   * The cache of the store in a folder, bytes: less than a transaction writes, so that most of it is in the write-ahead log before the commit, while the
   * next changes are decided. There is no filer that answers others meanwhile.
   */
  replayCacheBytes: 4 * 1024 * 1024,

  // ---- snapshot
  snapshotRows: 1000,
  snapshotRowsMax: 10_000,
  snapshotBytes: 4 * 1024 * 1024,

  // ---- sync
  /** Checkpoints that are listed: one for each link that has ever written to this cluster. */
  checkpointsMax: 1000,
  /** One checkpoint, bytes: it travels in the query beside the changes it stands for, and all headers together have 64 KiB. */
  checkpointBytesMax: 32 * 1024,

  /** Changes of a sync in one request, bytes: below `jsonBodyBytesMax`, since one change may go beyond it. */
  syncPostBytes: 4 * 1024 * 1024,
  /** How long the runner of a link may be silent before another takes it over, and how often it says that it lives, milliseconds. */
  leaseMs: 10_000,
  leaseRenewMs: 3000,
  /** A run of a sync may delete so many entries whatever part of all they are. */
  syncDeletesFree: 100,
  /** What a link has put aside, as its checkpoint says it in a query: all headers together have 64 KiB, and a position takes 12. */
  syncRefusedBytes: 24 * 1024,
  /** How soon a path that was put aside is tried again after a later change of it, milliseconds. */
  syncRefusedSoonMs: 5000,
  /** How often a link tells its source how far it is, milliseconds: it holds log and tombstones back by that much. */
  linkReportMs: 5000,
  /**
   * How long a link whose place is no longer in the logs that can be read waits for the filers that do not answer: to copy instead is to lose the deletes
   * since then. Milliseconds.
   */
  linkSourceAwayMs: 3600_000,
  /** One such report, bytes: two positions of 400 origins, ten times over. */
  linkReportBytesMax: 256 * 1024,
  /** How often a backup looks whether something of the log in its folder may go, milliseconds. */
  backupTrimMs: 60_000,
  /** Directories that differ, which a comparison by digests looks into; beyond it reading all names is as fast, and needs no memory. */
  verifyDirectories: 10_000,
  /** Rows that a repair reads at once from each side, and paths whose failure it remembers. */
  repairRows: 200,
  repairReasons: 1000,
  /** How often a link's checkpoint moves while nothing is in its scope, milliseconds. */
  syncIdleMs: 3000,

  // ---- small answers of the replication API
  /** Directories whose digests go out in one answer: below a megabyte with ordinary paths. */
  digestDirectoriesMax: 5000,
  /** Rows of the conflict ledger in one answer; the ledger itself holds `conflictBytes`. */
  conflictsListed: 100,
  conflictsListedMax: 1000,
  /** One value of the key-value store, bytes: checkpoints and notes, no content. */
  kvValueBytesMax: 64 * 1024,
  kvKeyCharsMax: 255,
  /** Values in one store, so that they take at most a third of a gigabyte; beyond it 507. */
  kvKeysMax: 4096,
  /** Lag at which /readyz says no, milliseconds, and the greatest one that can be asked for. */
  lagMs: 5000,
  lagMsMax: 720 * 3600 * 1000,

  // ---- tree
  listEntries: 1000,
  listEntriesMax: 10_000,
  /** Names that one listing leaves out (pattern, time is up) before it answers with what it has found: a tenth of a second of one core. */
  listSkipped: 10_000,
  /** The most --dirListLimit may say, the default of SeaweedFS; `listBytes` bounds a page besides. */
  dirListLimitMax: 100_000,
  /** Entries one recursive delete or rename may touch (flag --subtreeLimit): it is one transaction. */
  subtreeEntries: 100_000,
  /** Bytes of entries in one page of a listing, which carries their content; at least one entry goes out. */
  listBytes: 8 * 1024 * 1024,
  /** Milliseconds a read waits for Filer-Min-Position. */
  positionWaitMs: 10_000,
  positionWaitMsMax: 60_000,
  /** What an entry written whole may have besides its content, as JSON: chunks, extended attributes; bytes. */
  entryJsonExtraBytes: 8 * 1024 * 1024,
  /** What a multipart form may have besides the file: other fields, headers, boundaries; bytes. */
  formExtraBytes: 64 * 1024,
  formParts: 100,
  formFieldBytes: 1024,
  formHeaderBytes: 8 * 1024,
  formHeaders: 20,
  /** How long a client waits for a recursive delete or a move: up to `subtreeEntries` changes in one transaction. */
  subtreeMs: 120_000,

  /** How often a filer looks for files whose time is up, milliseconds: they are hidden already, only their rows wait. */
  expiryCheckMs: 5000,

  // ---- the door
  /** Decisions that share a transaction. */
  groupDecisions: 1000,
  groupBytes: 4 * 1024 * 1024,
  /** Writes waiting for their turn; beyond it 503. */
  queueDecisions: 8192,
  queueBytes: 256 * 1024 * 1024,
  /** Jobs of clients that wait for a transaction of their own (recursive deletes, moves, values, recounts); beyond it 503. */
  queueJobs: 256,
  /** Rows, and bytes of entries, a long transaction holds in memory before it writes them. */
  draftRows: 1000,
  draftBytes: 4 * 1024 * 1024,

  // ---- clock
  /** How far ahead of the local clock a received version may move it, milliseconds (flag --maxClockSkew). */
  clockSkewMs: 60_000,
  /** A clock counts for the skew this long after it was heard, milliseconds. */
  clockHeardMs: 30_000,

  // ---- cluster, milliseconds
  heartbeatMs: 5000,
  /** A filer not heard of for this long is down. */
  memberDownMs: 15_000,
  /** A peer not heard for this long has an unknown lag. */
  peerSilentMs: 15_000,
  /** How long a peer's poll waits for news: short enough that an idle peer is heard well within `peerSilentMs`. */
  peerPollMs: 10_000,
  /** The longest pause before a peer that is starting or filling its store is asked again. */
  peerStartingMs: 1000,
  /** What a poll may take beyond its wait before the peer counts as cut off. */
  peerGraceMs: 3000,
  /** How long a peer may take to say who it is: it only reads its own memory. */
  peerInfoMs: 3000,
  /** How long a peer may take for one page of its snapshot: its disk may be cold. */
  peerSnapshotMs: 30_000,
  /** Connections to one peer: the held poll, one that was ended and is still closing, and what is asked besides. */
  peerConnections: 3,
  /** How often a filer that is not level with a peer compares digests with it: it has to add up what lies between. */
  digestCompareMs: 1000,
  /** How long what a peer told of its digest waits for this filer to come that far; another one takes its place. */
  digestWaitMs: 10_000,
  /** How long a verdict on digests stands without another comparison, which a filer that catches up may not come to. */
  digestVerdictMs: 10_000,
  /** How long a held poll may hide that this filer has moved on: then it ends, and says where this filer is, though it brings nothing. For each 50 that wait. */
  peerNewsMs: 1000,
  backoffMsMin: 50,
  backoffMsMax: 5000,
  /** Origins that are not closed; each costs some 100 bytes in the headers of every poll. */
  originsOpenMax: 400,
  /** Runs kept of an origin, some 40 bytes each: that many starts of its process may lie between two stores that part and meet. */
  runsMax: 32,
  membersMax: 1000,
  /** A member not heard of for this long leaves the list (flag --forgetAfter). */
  forgetAfterMs: 720 * 3600 * 1000,
  /** How often a filer looks what may leave its log, which tombstones may go, and who has been silent for too long. */
  upkeepMs: 2000,
  /** How often the master looks for members that fell silent. */
  expireCheckMs: 1000,
  /** How often, and for how many milliseconds at most, a master that has no cluster id yet stands back for another one that is making one. */
  standBacksMax: 10,
  standBackMs: 100,
  /** Other masters a filer may name in a registration: asked one by one when a cluster id is made. */
  mastersMax: 16,
  /** How long a filer that stops waits for its masters to hear it, milliseconds: a master that hangs must not keep it. */
  leaveMs: 1000,
  /** How long the master waits for the old address of a filer that seems to have moved; its heartbeat waits as long. */
  moveProbeMs: 2000,
  /** Least time between two questions to a master whose list has not changed, should it answer without holding them. */
  listPauseMs: 1000,
  /** Body of one registration: a position of 400 origins is about 10 KiB. */
  announcementBytesMax: 64 * 1024,
  /** Characters of a name in a registration: program, engine, group, instance. */
  nameCharsMax: 128,

  // ---- store
  /** Pages of the store's file the writer keeps in memory, bytes: the inner pages of a million rows. */
  storeCacheBytes: 64 * 1024 * 1024,
  /** The same for each of the two readers, which mostly walk. */
  storeReadCacheBytes: 8 * 1024 * 1024,
  /** Pages (4 KiB) of write-ahead log before they are copied into the file: random keys are written twice as fast as with 1000. */
  storeWalPages: 16_384,
  /** What a check of a store tells one by one; a store with more is not worth a list. */
  findingsMax: 1000,
  /** How often a check of a store in use tries to read it between two writes, and how long it waits before it does so again, milliseconds. */
  checkAttempts: 10,
  checkPauseMs: 500,
  /** How long a statement waits for another process that works on the file, milliseconds. */
  storeBusyMs: 5000,

  // ---- scrub
  /** From the end of one scrub to the start of the next, milliseconds; 0 = never (flag --scrub.interval). */
  scrubIntervalMs: 10 * 60 * 1000,
  /** Rows, and bytes of entries, hashed in one go: they hold up the event loop for a few milliseconds. */
  scrubRows: 200,
  scrubBytes: 1024 * 1024,
  /** After each page it rests for so many times as long as the page took: a scrub takes a tenth of a core. */
  scrubRest: 9,
  /** Findings that are kept, and characters of each; a store with more is not worth a list. */
  scrubFindings: 20,
  scrubProblemChars: 300,

  // ---- retention
  /** What everybody has acknowledged leaves the log after this long, milliseconds (flag --log.retention). */
  logRetentionMs: 168 * 3600 * 1000,
  /** What nobody need have acknowledged leaves it after this long, milliseconds (flag --log.retentionMax). */
  logRetentionMaxMs: 720 * 3600 * 1000,
  /** Bytes of text the log may hold, acknowledged or not (flag --log.maxBytes). */
  logBytesMax: 8 * 1024 * 1024 * 1024,
  /** Records that leave the log in one transaction: writes wait meanwhile. */
  trimRecords: 1000,
  /** A tombstone that everybody has seen stays this long all the same, milliseconds (flag --tombstone.retention). */
  tombstoneRetentionMs: 720 * 3600 * 1000,
  /** Tombstones that are dropped in one transaction. */
  collectRows: 1000,

  // ---- ledger
  conflictRetentionMs: 30 * 24 * 3600 * 1000,
  conflictsPerPath: 100,
  conflictBytes: 256 * 1024 * 1024,

  // ---- quarantine
  /** Changes put aside, and bytes of their text: all of them are in memory and on the first page of a snapshot. Beyond it the stream stalls. */
  quarantineChanges: 1000,
  quarantineBytes: 8 * 1024 * 1024,
  /** How soon what is quarantined is tried again, milliseconds, and how seldom in the end: mostly it takes another kelp to apply it. */
  quarantineRetryMs: 60_000,
  quarantineRetryMsMax: 3600_000,

  // ---- server
  /** Beyond these the one that has been idle for longest is closed; fewer if the system lets the process open fewer files. */
  connectionsMax: 10_000,
  /** Places beyond those, when all are busy: only peers, operators and health checks are answered there. */
  connectionsKept: 64,
  /** Files the process opens besides connections it accepts: store, log, connections to its peers. */
  filesKept: 512,
  /** Requests under way on one connection. Whoever pipelines more is answered 503 there, and cut off at twice as many. */
  pipelinedMax: 16,
  /** Bodies of all requests that have not been answered yet, bytes. */
  bodiesBytes: 128 * 1024 * 1024,
  /** What a piece of a body costs besides its bytes: a client may send them one by one. */
  bodyPieceBytes: 512,
  /** All answers that their readers have not taken yet, bytes. */
  answersBytes: 192 * 1024 * 1024,
  /** Of those, kept for pages to peers. */
  answersBytesForPeers: 64 * 1024 * 1024,
  /** An answer this small goes out whatever is held, bytes: refusals, health, single changes. */
  answerBytesFree: 16 * 1024,
  /** A body that comes, or an answer that goes, for longer than this is broken off when its memory is needed for another, milliseconds. */
  slowMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  connectionsCheckMs: 2000,
  /** The server keeps an idle connection longer than the client does, so that the client gives up first. */
  keepAliveServerMs: 65_000,
  keepAliveClientMs: 30_000,
  connectMs: 3000,
  bodyMs: 10_000,
  /** Time for requests in flight to end when a process stops. */
  drainMs: 10_000,
  /** A reader that takes nothing of its answer for this long is cut off, so that pages are not kept for the dead. */
  stallMs: 60_000,
  /** Told to whoever is refused with 429 or 503, seconds. */
  retryAfterSeconds: 1,

  // ---- signatures
  /** How far the date of a signed request may be from the clock of its receiver, milliseconds: as far as clocks may be apart at all. */
  signatureWindowMs: 60_000,
  /** Nonces remembered, each for one to two windows: 8,000 signed requests a second for a minute, about 40 MB. */
  noncesMax: 500_000,
  /** A secret shorter than this can be guessed from one signed request. */
  secretBytesMin: 16,
  secretFileBytesMax: 4096,
  /** How often the secret file is looked at, at most, milliseconds. */
  secretLookMs: 1000,

  // ---- client
  /** Addresses with connections kept open; the one not used for longest goes first. */
  poolsMax: 1024,
  /** One answer: the greatest page, base64 and all, or the list of 1,000 members with their positions. */
  answerBytesMax: 64 * 1024 * 1024,
  /** How long an answer may take to begin, milliseconds; added to the hold time of a long-poll. */
  answerMs: 10_000,

  /** How long a command waits for one filer or master that it asks how it is: a watch must show within 2 s that one has stopped. */
  probeMs: 1000,
  /** How long the completion of a word waits for a filer or a master, milliseconds: whoever types is waiting. */
  completionMs: 500,
  /** How long a reader with an end waits for a filer that has gone away, milliseconds: a restart takes less. */
  readerAwayMs: 30_000,
  /** How often a watching command looks again. */
  watchMs: 1000,
  /** How often a command that waits for a condition looks again. */
  waitLookMs: 200,

  /** Requests in flight while a move or a recursive delete goes in steps. */
  stepsInFlight: 32,
  /** Files a copying command has in flight at most: each may be `pageBytesMax` large. */
  copyInFlightMax: 64,
  /** One saved entry, bytes of JSON: content of the largest file any filer takes, as base64, and what an entry may have besides. */
  metaLineBytesMax: 32 * 1024 * 1024,
  /** Names a copying command keeps of what it skipped for one reason. */
  copyNamesMax: 1000,

  // ---- metrics
  /** Label combinations of one metric; the rest is counted under "other". */
  seriesMax: 2000,

  // ---- demo
  /** Requests in flight while the demo copies a folder: enough to fill the groups of the door. */
  demoInFlight: 32,
  /** What the demo copies at most: each entry and byte is kept by four filers, in row and log, in a temporary folder. */
  demoEntriesMax: 200_000,
  demoBytesMax: 512 * 1024 * 1024,
  /** Names the demo shows of what it skipped for one reason. */
  demoNamesMax: 3,
  /** How long a process of the demo may take to be ready, and to end in good order, milliseconds. */
  demoStartMs: 30_000,
  demoStopMs: 8000,
  /** How long the filers of the demo may take to become equal without coming any closer. */
  demoStuckMs: 30_000,
  /** How often the demo looks whether what it waits for has come, and how often it draws its table. */
  demoLookMs: 25,
  demoDrawMs: 400,
  /** Lines of a process's log that are shown if it dies, and bytes of it that are read for them. */
  demoLogLines: 15,
  demoLogBytes: 64 * 1024,
} as const;

/**
 * Resident memory a filer stays below whatever its clients do, MiB: what the limits above add up to, with what the runtime needs. Holds for
 * files up to the default of --saveToFilerLimit.
 */
export const residentMiBMax = 1024;
