import { FilerError } from '../../errors.js';
import { nameOf, type FullPath } from '../../entry/path.js';
import { readBoolean, type Query } from '../../http/params.js';

/* Headers of an answer that the request asks for: `?dl=true` and `?response-…=`. */

const asked = ['Content-Type', 'Cache-Control', 'Content-Disposition', 'Content-Encoding', 'Content-Language', 'Expires'];
/** Characters of one such value. */
const valueCharsMax = 1024;

/** What replaces headers of the file's own. @throws FilerError PARAMETER_INVALID */
export function askedHeaders(query: Query, path: FullPath): Record<string, string> {
  const headers: Record<string, string> = readBoolean(query, 'dl') ? { 'Content-Disposition': attachment(nameOf(path)) } : {};
  for (const name of asked) {
    const parameter = `response-${name.toLowerCase()}`;
    const value = query.get(parameter) ?? '';
    if (value.length > valueCharsMax || !/^[\x20-\x7e]*$/.test(value))
      throw new FilerError('PARAMETER_INVALID', `${parameter}: must be at most ${valueCharsMax} printable ASCII characters`, { parameter });
    if (value !== '') headers[name] = value;
  }
  return headers;
}

/** RFC 6266: the name for all who read it as RFC 8187 has it, an ASCII one for the others. */
function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/gu, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);
  return plain === name ? `attachment; filename="${plain}"` : `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** True if an Accept header names HTML, and likes JSON no better. A wildcard names nothing. */
export function wantsHtml(accept: string | undefined): boolean {
  const html = qualityOf(accept, 'text/html');
  return html > 0 && html >= qualityOf(accept, 'application/json');
}

function qualityOf(accept = '', type: string): number {
  for (const part of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    if (name !== type) continue;
    const q = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? 1);
    return Number.isNaN(q) ? 0 : q;
  }
  return 0;
}
