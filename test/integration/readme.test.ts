import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createSnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as ReadmeContext from '../support/readme-context.ts';
import { createOrders, type ReadmeDatabase } from '../support/readme-orders.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { addSnapshots } from '../support/snapshot-fixtures.ts';

const testFolder = fileURLToPath(new URL('..', import.meta.url));
const readme = await readFile(join(testFolder, '../README.md'), 'utf8');
const snippets = [...readme.matchAll(/^## (?<heading>.+)$|^ *```ts\n(?<code>[^]+?)^ *```$/gm)]
  .map(({ groups }, index, all) => ({
    heading:
      all.slice(0, index).findLast((match) => match.groups?.['heading'])?.groups?.['heading'] ??
      'Use it',
    code: groups?.['code'] ?? '',
  }))
  .filter(({ code }) => code !== '')
  .map(({ heading, code }, number) => ({ heading, code, number }));

let folder: string;
let database: ReplicatedDatabase<ReadmeDatabase>;
let context: typeof ReadmeContext;

beforeAll(async () => {
  database = await startReplicatedDatabase<ReadmeDatabase>(async (db) => {
    await createOrders(db);
    await createSnapshotTables(db);
    await addSnapshots('run-1', 'snapshot-1', 'snapshot-2')(db);
  });
  await database.holdBack();
  await database.write((db) =>
    db.insertInto('orders').values({ id: 'order-1', status: 'paid', version: 2 }).execute(),
  );
  process.env['DATABASE_URL'] = database.cluster.primary.connectionString;
  process.env['REPLICA_DATABASE_URL'] = database.cluster.replicas[0].connectionString;
  context = await import('../support/readme-context.ts');

  folder = await mkdtemp(join(testFolder, '.readme-'));
  await Promise.all(snippets.map(({ code, number }) => writeFile(file(number), asModule(code))));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await Promise.all([context.primary.destroy(), context.replica.destroy()]);
  await database.end();
});

test('has snippets', () => expect(snippets.length).toBeGreaterThan(5));

test('the snippets of the README compile', async () => {
  const tsconfig = join(folder, 'tsconfig.json');
  const compilerOptions = { noUnusedLocals: false };
  await writeFile(
    tsconfig,
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
  );
  const tsc = promisify(execFile)(join(testFolder, '../node_modules/.bin/tsc'), ['-p', tsconfig]);
  await expect(tsc).resolves.toMatchObject({ stdout: '' });
});

test.each(snippets)('snippet $number, under "$heading", runs', async ({ code, number }) => {
  const exported = await import(file(number));
  for (const run of exported.tests ?? []) await run();
  const order = exported.order ?? exported.rows?.[0] ?? (await exported.findOrder?.('order-1'));
  const readsAnOrder = /withReplicaFallback|read\(/.test(code);
  expect(order).toEqual(readsAnOrder ? { id: 'order-1', status: 'paid', version: 2 } : undefined);
  await Promise.all([exported.primary?.destroy(), exported.replica?.destroy()]);
});

function file(number: number): string {
  return join(folder, `snippet-${number}.ts`);
}

/** Gives a snippet what it takes for granted, and exports what it comes to. */
function asModule(code: string): string {
  const declared = (name: string) => new RegExp(`^(export )?const ({ )?${name}\\b`, 'm').test(code);
  const given = Object.keys(context).filter(
    (name) => new RegExp(`\\b${name}\\b`).test(code) && !declared(name),
  );
  const results = ['order', 'rows', 'primary', 'replica'].filter(declared);
  return `
    import { ${given.join(', ')} } from '../support/readme-context.ts';
    ${code.replace(IMPORTS_TEST, COLLECTS_TESTS)}
    export { ${results.join(', ')} };
  `;
}

/** Tests do not run in tests: the snippet's own are collected, and run as functions. */
const IMPORTS_TEST = "import { expect, test } from 'vitest';";
const COLLECTS_TESTS = `
  import { expect } from 'vitest';
  export const tests: (() => Promise<void>)[] = [];
  const test = (_name: string, run: () => Promise<void>) => tests.push(run);
`;
