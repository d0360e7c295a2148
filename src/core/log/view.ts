import type { Row } from '../change/row.js';
import type { FullPath } from '../entry/path.js';

/** How the tree shows a path (DESIGN: the tree is a view). */
export type Shown = 'absent' | 'file' | 'directory';

/** What decisions may look at: rows and view of the paths that were loaded. */
export interface View {
  row(path: FullPath): Row | null;
  shown(path: FullPath): Shown;
  /** How many names a directory shows. */
  children(path: FullPath): number;
}
