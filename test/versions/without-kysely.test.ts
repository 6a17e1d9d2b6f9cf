import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripTypeScriptTypes } from 'node:module';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile, compilers, MODULES, STRICT } from './compile.ts';
import { type Consumer, installWith } from './managers.ts';

/** A service whose clients are of its own. */
const PROGRAM = `
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { createCausalSession, replicaUnavailable } from 'kysely-replica-fallback/postgres';

type Rows = ReadonlyMap<string, string>;
const catchUp = createCatchUp<Rows>({
  position: async (primary) => String(primary.size),
  replayed: async (replica) => String(replica.size),
  compare: (replayed, position) => (replayed >= position ? 'reached' : 'behind'),
  runAt: (replica, _position, query) => query(replica),
});
const read = createReplicaFallback<Rows>({
  primary: new Map([['id', 'new']]),
  replica: new Map(),
  isUnavailable: replicaUnavailable,
  catchUp,
  retryMs: 1,
});
const session = createCausalSession(read);
console.log(await read(async (rows) => rows.get('id')), await session.position());
`;

let consumer: Consumer;
beforeAll(async () => {
  consumer = await installWith('npm', ['@opentelemetry/api', ...compilers(['7'])]);
  await writeFile(join(consumer.project, 'program.ts'), PROGRAM);
  await writeFile(join(consumer.project, 'program.js'), stripTypeScriptTypes(PROGRAM));
}, 600_000);
afterAll(() => consumer?.[Symbol.asyncDispose]());

test('npm installs no kysely for those who use another client', async () => {
  const path = join(consumer.project, 'node_modules/kysely');
  await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('reads without kysely', async () => {
  const { stdout } = await consumer.run(process.execPath, 'program.js');
  expect(stdout).toBe('new undefined\n');
});

test.each(MODULES)(
  'compiles without kysely, by $resolution',
  { timeout: 300_000 },
  async ({ module }) => {
    expect(await compile(consumer, '7', ...STRICT, ...module, 'program.ts')).toEqual([]);
  },
);
