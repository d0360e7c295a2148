/*
 * The tree over HTTP. A path of the tree is the path of the URL, percent-encoded, under no prefix.
 *
 * PUT    /dir/file            bytes           → 201 {"name","size"}   ?mode=0644&ttl=3d&mtime=…&op=append
 * POST   /dir/file, /dir/     multipart form  → 201 {"name","size"}   the first file of it; into /dir/ by its own name
 * POST   /dir/                nothing         → 201 {"name"}          mkdir; ?mode=0755&mtime=…
 * POST   /new?mv.from=/old    nothing         → 204                   by PUT too; /new/ = into it
 * POST   /new?cp.from=/old    nothing         → 204                   the same; &overwrite=true
 * PUT    /path?metadata=true     EntryJson     → 201 {"name"}          the whole entry, as GET answers it; 200 if it is there just so
 * PUT    /path?tagging        Seaweed-…       → 202                   tags, of directories too
 * DELETE /path?tagging=A,B                    → 202, 304              without names: all
 * GET    /dir/file                            → 200, 206, 304         ?metadata=true: EntryJson; ?dl=true&response-content-type=…
 * GET    /dir, /dir/                          → 200 ListingJson, HTML ?limit&lastFileName&namePattern&namePatternExclude&pretty=y
 * DELETE /path                                → 204                   ?recursive=true
 *
 * Every write answers `Filer-Position: origin:seq`; a read with `Filer-Min-Position` waits for it, up to ?wait=.
 */

/** What a filer has when the write that answers with it is in. */
export const positionHeader = 'Filer-Position';
/** What a filer must have before it answers a read. */
export const minPositionHeader = 'Filer-Min-Position';

/** Answer of a write; a directory has no size. */
export interface WrittenJson {
  readonly name: string;
  /** Bytes. */
  readonly size?: number;
}

/** A reference to content, with the field names of SeaweedFS's protobuf (`file_id`, `modified_ts_ns`). */
export type ChunkJson = Readonly<Record<string, unknown>>;

/**
 * One entry with SeaweedFS's listing keys. Times are RFC 3339 with nanoseconds, bytes are base64. 64-bit integers are numbers as long as
 * JavaScript holds them exactly, decimal text above.
 */
export interface EntryJson {
  readonly FullPath: string;
  readonly Mtime: string;
  readonly Crtime: string;
  readonly Ctime: string;
  readonly Atime: string;
  /** Go's mode bits: directory is 0x80000000. */
  readonly Mode: number;
  readonly Uid: number;
  readonly Gid: number;
  readonly Mime: string;
  readonly TtlSec: number;
  readonly UserName: string;
  readonly GroupNames: readonly string[] | null;
  readonly SymlinkTarget: string;
  readonly Md5: string | null;
  readonly FileSize: number;
  readonly Rdev: number;
  readonly Inode: number | string;
  readonly Extended: Readonly<Record<string, string>> | null;
  readonly chunks?: readonly ChunkJson[];
  readonly HardLinkId: string | null;
  readonly HardLinkCounter: number;
  readonly Content: string | null;
  readonly Remote: unknown;
  readonly Quota: number | string;
  readonly WORMEnforcedAtTsNs: number | string;
}

/** One page of a directory. */
export interface ListingJson {
  /** Without a slash at its end: '' is the root. */
  readonly Path: string;
  /** In byte order of their names. */
  readonly Entries: readonly EntryJson[];
  readonly Limit: number;
  /** Name of the last entry: where the next page begins. */
  readonly LastFileName: string;
  /** True if more names follow, even if the page is shorter than its limit: a page has a bound of bytes too. */
  readonly ShouldDisplayLoadMore: boolean;
  readonly EmptyFolder: boolean;
}
