import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Express } from 'express';
import type { FastifyInstance } from 'fastify';
import { Kysely } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { Pool } from 'pg';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { asModule, findSnippets, readPages } from '../support/readme-snippets.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { serve } from '../support/serve.ts';
import { addSnapshots } from '../support/snapshot-fixtures.ts';

interface Database extends SnapshotTables {
  orders: { id: string; status: string; version: number };
}

const run = promisify(execFile);
/** Built, as programs need it that are run by Node.js alone. */
const root = inject('built');
const pages = await readPages();
const snippets = pages.flatMap(findSnippets);
const isTypeScript = ({ file }: { file: string }) => file.endsWith('.ts');
const order = { id: 'order-1', status: 'paid', version: 2 };

let folder: string;
let database: ReplicatedDatabase<Database>;
const modules: Record<string, unknown>[] = [];

beforeAll(async () => {
  database = await startReplicatedDatabase<Database>(async (db) => {
    await db.schema
      .createTable('orders')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    await createSnapshotTables(db);
    await addSnapshots('run-1', 'snapshot-1', 'snapshot-2')(db);
  });
  await database.holdBack();
  await database.write((db) => db.insertInto('orders').values(order).execute());
  process.env['DATABASE_URL'] = database.cluster.primary.connectionString;
  process.env['REPLICA_DATABASE_URL'] = database.cluster.replicas[0].connectionString;

  folder = await mkdtemp(join(root, 'test/.readme-'));
  const context = await import(join(root, 'test/support/readme-context.ts'));
  modules.push({ ...context });
  await Promise.all(
    snippets.map((snippet) => {
      const isModule = isTypeScript(snippet);
      const code = isModule ? asModule(snippet, snippets, Object.keys(context)) : snippet.code;
      return writeFile(join(folder, snippet.file), code);
    }),
  );
});

afterAll(async () => {
  const values = new Set(modules.flatMap((module) => Object.values(module)));
  await Promise.all(
    [...values].filter((value) => value instanceof Kysely).map((db) => db.destroy()),
  );
  const pools = [...values].filter((value) => value instanceof Pool);
  await Promise.all(pools.filter((pool) => !pool.ending).map((pool) => pool.end()));
  await Promise.all([...values].filter(isPostgresJs).map((sql) => sql.end()));
  await rm(folder, { recursive: true });
  await database.end();
});

function isPostgresJs(value: unknown): value is Sql {
  return typeof value === 'function' && 'unsafe' in value && 'end' in value;
}

test('each page that has code is read', () => {
  const withCode = new Set(snippets.map(({ page }) => page));
  expect([...withCode].toSorted()).toEqual([
    'README.md',
    'src/by-key.md',
    'src/catch-up/README.md',
    'src/clients.md',
    'src/mysql/README.md',
    'src/postgres/README.md',
    'src/primary-budget.md',
    'src/snapshots/README.md',
    'src/telemetry.md',
    'src/testing/README.md',
  ]);
});

test('the snippets compile', async () => {
  const tsconfig = join(folder, 'tsconfig.json');
  // What a reader's compiler need not be told to refuse.
  const compilerOptions = { noUnusedLocals: false, noPropertyAccessFromIndexSignature: false };
  await writeFile(
    tsconfig,
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
  );
  const tsc = run(join(root, 'node_modules/.bin/tsc'), ['-p', tsconfig]);
  await expect(tsc).resolves.toMatchObject({ stdout: '' });
});

test.each(snippets.filter(isTypeScript))('the snippet at $where runs', async ({ file, code }) => {
  const exported = await import(join(folder, file));
  modules.push(exported);
  for (const runTest of exported.tests ?? []) await runTest();
  const found = exported.order ?? exported.rows?.[0];
  const readsAnOrder = /^const (order|\[order\]|\{ rows \}) =/m.test(code);
  expect(found).toEqual(readsAnOrder ? order : undefined);
});

test.each(snippets.filter((snippet) => !isTypeScript(snippet)))(
  'the snippet at $where runs in plain Node.js',
  async ({ file }) => {
    await expect(run(process.execPath, [join(folder, file)])).resolves.toBeDefined();
  },
);

test("the README's first snippet finds an order", async () => {
  const [first] = snippets;
  const { findOrder } = await import(join(folder, first?.file ?? ''));
  expect(await findOrder(order.id)).toEqual(order);
});

test("the README's reads of each kind find what the replica does not have", async () => {
  const snippet = snippets.find(({ code }) => code.includes('order_permission'));
  const found = await import(join(folder, snippet?.file ?? ''));
  expect(found).toMatchObject({
    paid: [order],
    total: { count: '1' },
    exists: true,
    mayCancel: { status: order.status },
    ofTheJob: order,
    saved: order,
  });
});

test.each([
  { framework: 'express', open: (app: Express): RequestListener => app },
  { framework: 'fastify', open: openFastify },
])('a session in $framework sees its write, as the README has it', async ({ framework, open }) => {
  const snippet = snippets.find(({ code }) => code.includes(`from '${framework}'`));
  const { app } = await import(join(folder, snippet?.file ?? ''));
  const url = `${await serve(await open(app))}/orders/${order.id}`;
  const see = async (position: string) => {
    const response = await fetch(url, { headers: { cookie: `a=b; position=${position}` } });
    return { status: response.status, body: await response.json() };
  };
  await database.catchUp();
  await database.write((db) => db.updateTable('orders').set({ status: 'open' }).execute());
  await database.holdBack();

  const paid = await fetch(`${url}/pay`, { method: 'POST' });
  const [cookie = ''] = paid.headers.getSetCookie();
  const position = /^position=([^;]+); Path=\//.exec(cookie)?.[1] ?? '';
  const [own, now, forged] = await Promise.all([see(position), see('now'), see('forged')]);

  expect(paid.status).toBe(204);
  expect(own).toEqual({ status: 200, body: order });
  expect(now).toEqual({ status: 200, body: order });
  expect(forged).toEqual({ status: 200, body: { ...order, status: 'open' } });
});

test.each([
  { logger: 'console', page: 'README.md', code: 'logger: console' },
  { logger: 'winston', page: 'src/telemetry.md', code: "from 'winston'" },
  { logger: 'pino', page: 'src/telemetry.md', code: "from 'pino'" },
  { logger: "Fastify's request.log", page: 'src/telemetry.md', code: "from 'fastify'" },
])('$logger prints a read that failed, as the documents have it', async ({ page, code }) => {
  const snippet = snippets.find((one) => one.page === page && one.code.includes(code));
  const program = join(folder, `prints-${snippet?.file}`);
  await writeFile(
    program,
    `import * as snippet from './${snippet?.file}';
    if ('app' in snippet) await snippet.app.inject('/orders/nowhere');
    else {
      const query = (db) => db.selectFrom('orders').select('id').where('id', '=', 'nowhere');
      const read = snippet.read((db) => query(db).executeTakeFirstOrThrow(), { operation: 'order_by_id' });
      await read.catch(() => {});
    }
    process.exit();`,
  );

  const { stdout, stderr } = await run(process.execPath, [program]);

  const printed = `${stdout}${stderr}`
    .split(/^(?=\{)/m)
    .find((line) => line.includes('A read failed.'));
  expect(printed).toMatch(/operation\W+order_by_id/);
  expect(printed).toMatch(/outcome\W+not_found/);
  expect(printed).toMatch(/no result(\n|\\n) +at /);
});

async function openFastify(app: FastifyInstance): Promise<RequestListener> {
  await app.ready();
  return (request, response) => app.routing(request, response);
}
