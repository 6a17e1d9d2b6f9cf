import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { resolve } = createRequire(import.meta.url);
const FOLDER = fileURLToPath(new URL('page/', import.meta.url));

/** The page itself. */
export const INDEX = `${FOLDER}index.html`;

/** What it loads from its folder `lab/`: the name there, and the file. */
export const PAGE_FILES: ReadonlyMap<string, string> = new Map([
  ['uplot.js', resolve('uplot/dist/uPlot.esm.js')],
  ['uplot.css', resolve('uplot/dist/uPlot.min.css')],
  ...readdirSync(FOLDER)
    .filter((name) => /\.(css|js|svg)$/.test(name))
    .map((name) => [name, `${FOLDER}${name}`] as const),
]);
