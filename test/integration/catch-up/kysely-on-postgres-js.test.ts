import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const source = new URL('../../../src/', import.meta.url).href;
const database = await replicatedDatabase<object>((db) =>
  sql`create table notes (id int)`.execute(db),
);

/** Kysely on reserved connections of postgres.js, as kysely-postgres-js has it. */
const PROGRAM = `
  import { Kysely, PostgresDialect, sql } from 'kysely';
  import { withReplicaFallback } from '${source}index.ts';
  import { replicaUnavailable, walCatchUp } from '${source}postgres/index.ts';
  import postgres from 'postgres';

  const closed = Promise.withResolvers();
  const killer = postgres(process.env.REPLICA_DATABASE_URL);

  function open(url) {
    const client = postgres(url, { onclose: closed.resolve });
    const connect = async () => {
      const reserved = await client.reserve();
      return {
        async query(text, parameters) {
          const rows = await reserved.unsafe(text, [...parameters]);
          return { command: rows.command, rowCount: rows.count, rows };
        },
        release: () => reserved.release(),
      };
    };
    return new Kysely({ dialect: new PostgresDialect({ pool: { connect, end: () => client.end() } }) });
  }

  await withReplicaFallback(
    async (db, { source }) => {
      if (source === 'primary') return {};
      const { rows } = await sql\`select pg_backend_pid() as pid\`.execute(db);
      await killer\`select pg_terminate_backend(\${rows[0].pid}, 10000)\`;
      await closed.promise;
      return sql\`table notes\`.execute(db);
    },
    {
      primary: open(process.env.DATABASE_URL),
      replica: open(process.env.REPLICA_DATABASE_URL),
      catchUp: walCatchUp(),
      after: 'now',
      retryMs: 20_000,
      isUnavailable: replicaUnavailable,
    },
  );
  console.log('The read ended.');
  process.exit();
`;

// https://github.com/porsager/postgres/issues/1208. When this fails, the fault has gone: then say so in src/clients.md.
test('a backend that dies in a pinned transaction ends the process, on postgres.js', async () => {
  const { cluster } = database;
  const env = {
    ...process.env,
    DATABASE_URL: cluster.primary.connectionString,
    REPLICA_DATABASE_URL: cluster.replicas[0].connectionString,
  };

  const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env,
  });

  await expect(running).rejects.toMatchObject({
    stdout: '',
    stderr: expect.stringContaining('node_modules/postgres/'),
  });
});
