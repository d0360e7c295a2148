import { createHash } from 'node:crypto';

/** One name of a directory, as the page shows it. */
export interface ListedName {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Bytes; of a directory not shown. */
  readonly size: number;
  /** RFC 3339. */
  readonly mtime: string;
}

export interface ListingPage {
  /** Names from the root down to the directory; empty for the root. */
  readonly names: readonly string[];
  readonly entries: readonly ListedName[];
  /** Query of the next page, without "?"; null = there is none. */
  readonly more: string | null;
}

const style = 'body{font:14px sans-serif;margin:2em}td{padding:.1em 2em .1em 0}td+td{color:#555;text-align:right}';

/** No scripts, no forms, no frames, nothing from elsewhere: names and content belong to others. */
export const listingHeaders: Readonly<Record<string, string>> = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** A directory as a page of HTML. Links are absolute, so that no name can be taken for a scheme. */
export function listingPage({ names, entries, more }: ListingPage): string {
  const above = names.map((name, i) => ` / ${link(hrefOf(names.slice(0, i + 1), true), name)}`).join('');
  const rows = entries.map(({ name, isDirectory, size, mtime }) => {
    const shown = link(hrefOf([...names, name], isDirectory), isDirectory ? `${name}/` : name);
    return `<tr><td>${shown}</td><td>${isDirectory ? '' : sizeText(size)}</td><td>${escapeHtml(mtime.slice(0, 19))}Z</td></tr>`;
  });
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(`/${names.join('/')}`)}</title><style>${style}</style></head><body>`,
    `<p>${link('/', 'root')}${above}</p>`,
    entries.length === 0 ? `<p>nothing is here${more === null ? '' : ' so far'}</p>` : `<table>\n${rows.join('\n')}\n</table>`,
    more === null ? '' : `<p>${link(`${hrefOf(names, true)}?${more}`, 'more')}</p>`,
    '</body></html>\n',
  ].join('\n');
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text between tags or in quotes; characters that would not be seen, or would turn the rest around, become visible. */
function escapeHtml(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must be found
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd').replace(/[&<>"']/g, (found) => escapes[found] as string);
}

function link(href: string, text: string): string {
  return `<a href="${escapeHtml(href)}"><bdi>${escapeHtml(text)}</bdi></a>`;
}

function hrefOf(names: readonly string[], isDirectory: boolean): string {
  return `/${names.map(encodeURIComponent).join('/')}${isDirectory && names.length > 0 ? '/' : ''}`;
}

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return unit === 0 ? `${bytes} B` : `${(bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}
