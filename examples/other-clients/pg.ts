import { createReplicaFallback, noRows } from 'kysely-replica-fallback';
import {
  replicaUnavailable,
  surviveConnectionErrors,
  walCatchUp,
} from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { startServers } from './servers.ts';

const servers = await startServers();

function connect(connectionString: string) {
  const pool = new Pool({ connectionString });
  surviveConnectionErrors(pool);
  return pool;
}
const primary = connect(servers.primaryUrl);
const replica = connect(servers.replicaUrl);

const read = createReplicaFallback({
  primary,
  replica,
  isUnavailable: replicaUnavailable,
  catchUp: walCatchUp(),
  onOutcome: ({ outcome }) => console.log(outcome),
});

const select = 'select status from orders where id = $1';
const found = await read((db) => db.query<{ status: string }>(select, ['new']), { isMiss: noRows });
console.log(found.rows[0]?.status);

const transaction = await primary.connect();
await transaction.query('begin');
await transaction.query(`insert into orders values ('own', 'draft', 1)`);
const own = await read((db) => db.query<{ status: string }>(select, ['own']), { transaction });
console.log(own.rows[0]?.status);
await transaction.query('commit');
transaction.release();

await Promise.all([primary.end(), replica.end()]);
await servers.stop();
