import { glob, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { TOPOLOGIES } from '../support/topologies.ts';

/** The README's table of guarantees: a test for each row, which runs in each column. */

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const [heading = [], , ...rows] = readme
  .slice(readme.indexOf('| | two replicas |'))
  .split('\n\n', 1)
  .flatMap((table) => table.split('\n'))
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

async function readTests(): Promise<string> {
  const sources = [];
  for await (const file of glob('test/proofs/*.test.ts')) {
    sources.push(await readFile(file, 'utf8'));
  }
  return sources.join('\n');
}

test('has a column for each set-up that is tested', () => {
  expect(heading.slice(1)).toEqual(TOPOLOGIES.map(({ topology }) => topology));
});

test('has rows', () => {
  expect(rows.length).toBeGreaterThan(3);
});

test.each(rows)('%s: is what tests show, in each set-up', async (guarantee, ...cells) => {
  expect(cells).toEqual(TOPOLOGIES.map(() => 'yes'));
  const title = new RegExp(
    String.raw`test\.for\((TOPOLOGIES|cases)\)\(\s*['"]${guarantee},? over \$topology`,
  );
  expect(await readTests()).toMatch(title);
});
