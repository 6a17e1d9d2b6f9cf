import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { resolve } = createRequire(import.meta.url);
const FOLDER = fileURLToPath(new URL('page/', import.meta.url));
const read = (path: string): string => readFileSync(path, 'utf8');

/** The page itself. */
export const INDEX = read(`${FOLDER}index.html`);

/** What it loads from its folder `lab/`, by name. */
export const PAGE_FILES: ReadonlyMap<string, string> = new Map([
  // Minified, which its package has for a classic script only, as a module.
  ['uplot.js', `${read(resolve('uplot/dist/uPlot.iife.min.js'))}export default uPlot;`],
  ['uplot.css', read(resolve('uplot/dist/uPlot.min.css'))],
  ...readdirSync(FOLDER)
    .filter((name) => /\.(css|js|svg)$/.test(name))
    .map((name) => [name, read(`${FOLDER}${name}`)] as const),
]);
