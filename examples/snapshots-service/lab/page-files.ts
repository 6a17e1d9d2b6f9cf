import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the page, in memory. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
}

/** All that the page consists of. */
export interface PageFiles {
  readonly index: PageFile;
  /** By their names in the URL. */
  readonly others: ReadonlyMap<string, PageFile>;
  /** The Content-Security-Policy: nothing from elsewhere, and no script in the page but its import map. */
  readonly policy: string;
}

const { resolve } = createRequire(import.meta.url);
const FOLDER = fileURLToPath(new URL('page/', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export function readPageFiles(): PageFiles {
  const names = readdirSync(FOLDER).filter(
    (name) => name !== 'index.html' && extname(name) in TYPES,
  );
  const index = read(join(FOLDER, 'index.html'));
  const hashes = [...index.text.matchAll(/<script type="importmap">([^]*?)<\/script>/g)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return {
    index,
    others: new Map([
      ...names.map((name) => [name, read(join(FOLDER, name))] as const),
      ['uplot.js', read(resolve('uplot/dist/uPlot.esm.js'))],
      ['uplot.css', read(resolve('uplot/dist/uPlot.min.css'))],
    ]),
    policy: [
      "default-src 'none'",
      `script-src 'self' ${hashes.join(' ')}`,
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

function read(path: string): PageFile {
  const type = TYPES[extname(path)] ?? 'text/plain; charset=utf-8';
  return { type, text: readFileSync(path, 'utf8') };
}
