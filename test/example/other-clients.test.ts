import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { startExample } from '../support/example/example-process.ts';

const folder = new URL('../../examples/other-clients/', import.meta.url);
const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));

test.for(files.filter((file) => file !== 'servers.ts'))(
  '%s reads a new order from the primary, and its own in a transaction',
  async (file) => {
    const example = startExample(`other-clients/${file}`);

    expect(await example.ended).toBe(0);
    expect(example.output).toEqual({ stdout: 'primary\npaid\ndraft\n', stderr: '' });
  },
);

test('there is an example for each client', () => {
  expect(files.toSorted()).toEqual([
    'drizzle.ts',
    'knex.ts',
    'pg.ts',
    'postgres-js.ts',
    'prisma.ts',
    'servers.ts',
    'typeorm.ts',
  ]);
});
