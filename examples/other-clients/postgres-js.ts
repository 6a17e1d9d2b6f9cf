import { createReplicaFallback, noRows } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import postgres from 'postgres';
import { startServers } from './servers.ts';

const servers = await startServers();
const primary = postgres(servers.primaryUrl);
const replica = postgres(servers.replicaUrl);

const read = createReplicaFallback({
  primary,
  replica,
  isUnavailable: replicaUnavailable,
  onOutcome: ({ outcome }) => console.log(outcome),
});

const [order] = await read(
  (sql, { signal }) => {
    const query = sql<{ status: string }[]>`select status from orders where id = ${'new'}`;
    signal?.addEventListener('abort', () => query.cancel(), { once: true });
    return query;
  },
  { isMiss: noRows, signal: AbortSignal.timeout(10_000) },
);
console.log(order?.status);

await primary.begin(async (transaction) => {
  await transaction`insert into orders values ('own', 'draft', 1)`;
  const [own] = await read(
    async (sql) => sql<{ status: string }[]>`select status from orders where id = ${'own'}`,
    { transaction },
  );
  console.log(own?.status);
});

await Promise.all([primary.end(), replica.end()]);
await servers.stop();
