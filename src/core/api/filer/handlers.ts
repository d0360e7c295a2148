import { limits } from '../../config/limits.js';
import { parseUrlPath, refuseReserved } from '../../entry/path.js';
import type { Filer } from '../../filer.js';
import type { Request, Route } from '../../http/router.js';
import { read, type DirectoryOptions } from './reads.js';
import { TreeWrites, type Target } from './writes.js';

export interface TreeHandlersOptions {
  /** Bytes of one file (flag --saveToFilerLimit); limits.contentBytesMax if absent. */
  readonly saveToFilerLimit?: number;
  /** Shown whole if absent. */
  readonly directories?: DirectoryOptions;
}

/** The tree over HTTP: whatever path no other route has. */
export function treeRoutes(filer: Filer, options: TreeHandlersOptions = {}): Route[] {
  const directories = options.directories ?? { listed: true, exposed: true };
  const writes = new TreeWrites(filer, options.saveToFilerLimit ?? limits.contentBytesMax);
  const row = { path: '*', role: 'client' } as const;
  return [
    {
      ...row,
      method: 'GET',
      summary: 'a file, the names of a directory, or an entry',
      handler: async (request) => read(filer, targetOf(request).path, request, directories),
    },
    { ...row, method: 'PUT', summary: 'write a file, or move', handler: async (request) => writes.put(targetOf(request), request) },
    {
      ...row,
      method: 'POST',
      summary: 'write a file of a form, make a directory, or move',
      handler: async (request) => writes.post(targetOf(request), request),
    },
    { ...row, method: 'DELETE', summary: 'delete a file or a directory', handler: async (request) => writes.remove(targetOf(request), request) },
  ];
}

/** @throws FilerError PATH_INVALID, NAME_TOO_LONG, RESERVED_PATH */
function targetOf({ rawPath }: Request): Target {
  const path = parseUrlPath(rawPath);
  refuseReserved(path);
  return { path, isInto: rawPath.endsWith('/') };
}
