import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readPages } from '../support/readme-snippets.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = await readPages();

/** What a pattern finds on each page, once. */
function findAll(pattern: RegExp) {
  return pages.flatMap(({ path, text }) =>
    [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))].map((found) => ({
      path,
      found,
    })),
  );
}

test.each(findAll(/\]\((?!\w+:)([^)\s]+)\)/g))(
  '$path links to $found, which is there',
  async ({ path, found }) => {
    const [file = '', anchor] = found.split('#');
    const linked = file === '' ? join(root, path) : join(root, dirname(path), file);
    await access(linked);
    if (anchor === undefined) return;
    const headings = (await readFile(linked, 'utf8')).matchAll(/^#+ (.+)$/gm);
    expect([...headings].map(([, heading = '']) => toAnchor(heading))).toContain(anchor);
  },
);

test.each(findAll(/(?<![\w./-])((?:src|test|examples|\.ci)\/[\w./-]*[\w/])/g))(
  '$path names $found, which is there',
  async ({ found }) => {
    await expect(access(join(root, found))).resolves.toBeUndefined();
  },
);

test.each(findAll(/\bnpm (?:run )?((?<=run )\w[\w:]*|start|test)\b/g))(
  '$path says to run the script $found, which there is',
  async ({ found }) => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(Object.keys(scripts)).toContain(found);
  },
);

/** As npm and the hosts of repositories do it. */
function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');
}
