import { connectionLost, replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';

function said(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

test.for<[pooler: string, code: string, message: string]>([
  ['PgBouncer', '08P01', 'server login has been failing, try again later (server_login_retry)'],
  [
    'PgBouncer',
    '08P01',
    'server login has been failing, cached error: connect failed (server_login_retry)',
  ],
  ['PgBouncer', '08P01', 'server conn crashed?'],
  ['PgBouncer', '08P01', 'pgbouncer cannot connect to server'],
  ['PgBouncer', '08P01', 'query_wait_timeout'],
  ['PgBouncer', '08P01', 'client_login_timeout (server down)'],
  ['PgBouncer', '08P01', 'no more connections allowed (max_client_conn)'],
  ['PgBouncer', '08P01', 'client connections exceeded (max_db_client_connections)'],
  ['PgBouncer', '08P01', 'server shutting down'],
  ['PgBouncer', '08P01', 'database removed'],
  ['PgBouncer', '08P01', 'connect failed'],
  ['PgBouncer', '08P01', 'connection failed'],
  ['PgCat', '58000', 'could not get connection from the pool - AllServersDown'],
  ['PgCat', '58000', 'Pool down for database: "orders", user: "service"'],
  ['PgCat', '58000', 'error receiving data from server: SocketError("Connection reset")'],
  ['PgCat', '58000', 'checkout failure limit reached (3 / 3)'],
  ['PgCat', '58000', 'terminating connection due to administrator command'],
  ['PgDog', '58000', 'connection pool for user "service" and database "orders" is down'],
  ['PgDog', '58000', 'all replicas down'],
  ['PgDog', '58000', 'checkout timeout'],
  ['PgDog', '58000', 'replica lag'],
  ['PgDog', '58000', 'replica checkout timeout'],
  ['PgDog', '58000', 'net: io: Connection refused (os error 111)'],
  ['PgDog', '57P01', 'PgDog is shutting down'],
  ['Odyssey', '08006', 'odyssey: c1f0a: failed to connect to remote server s3b2'],
  [
    'Odyssey',
    '53300',
    'odyssey: c1f0a: too many active clients for user (pool_size for user a.b reached 1)',
  ],
  ['Odyssey', '58000', 'odyssey: c1f0a: client routing failed'],
  ['Odyssey', '58000', 'client routing failed'],
  ['Odyssey', '53200', 'odyssey: c1f0a: soft out of memory'],
  ['Pgpool-II', 'XX000', 'all backend nodes are down, pgpool requires at least one valid node'],
  ['Pgpool-II', 'XX000', 'failed to create a backend connection'],
  ['Pgpool-II', 'XX000', 'failed to create a backend 12 connection'],
  ['Pgpool-II', '08S01', 'pgpool is not accepting any new connections'],
  [
    'Supavisor',
    'XX000',
    '(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15',
  ],
  [
    'Supavisor',
    'XX000',
    '(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms in Transaction mode',
  ],
  ['Supavisor', 'XX000', '(EDBHANDLEREXITED) DbHandler exited. Check logs for more information'],
  [
    'Supavisor',
    'XX000',
    '(ECIRCUITBREAKER) too many failed attempts to connect to the database, new connections are temporarily blocked',
  ],
  [
    'Supavisor',
    'XX000',
    '(EAUTHQUERY) authentication query failed: connection to database not available',
  ],
  ['Supavisor', '08006', 'Failed to connect to database: {:error, :econnrefused}'],
  ['Supavisor 1', 'XX000', 'Max client connections reached'],
  ['Supavisor 1', 'XX000', 'Unable to check out process from the pool due to timeout'],
  [
    'Supavisor 1',
    'XX000',
    'MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size',
  ],
  ['Supavisor 1', 'XX000', '{:shutdown, :db_termination}'],
  ['Supavisor 1', 'XX000', 'DbHandler exited. Check logs for more information'],
  ['Supavisor 1', 'XX000', 'Failed to connect to database: {:error, :econnrefused}'],
  ['RDS Proxy', '08000', 'Timed-out waiting to acquire database connection'],
  ['RDS Proxy', '53300', 'The maximum number of client connections to the proxy exceeded 1000.'],
  ['RDS Proxy', '53400', 'Rate of connection to proxy exceeded 100 connections per second.'],
  ['Neon', 'XX000', "Couldn't connect to compute node"],
])('takes what %s says of an outage for a lost connection: %s, %s', ([, code, message]) => {
  expect(connectionLost(said(code, message))).toBe(true);
  expect(replicaUnavailable(new Error('wrapped', { cause: said(code, message) }))).toBe(true);
  expect(connectionLost(said(code, `select 1 - ${message}`))).toBe(true); // knex
  expect(connectionLost(said('P0001', message))).toBe(false);
  // Some codes say enough.
  const saysEnough = connectionLost(said(code, ''));
  expect(connectionLost(said(code, `no ${message}`))).toBe(saysEnough);
});

test.for<[pooler: string, code: string, message: string]>([
  ['PgBouncer', '08P01', 'query_wait_timeout'],
  ['PgBouncer', '08P01', 'cannot connect'],
  ['PgBouncer', '08P01', 'out of memory'],
  ['PgCat', '58000', 'terminating connection due to administrator command'],
  ['PgDog', '58000', 'checkout timeout'],
  ['Odyssey', '58000', 'client routing failed'],
  ['Supavisor 1', 'XX000', 'Too many clients already'],
  ['Neon', 'XX000', 'Control plane request failed'],
])(
  'takes what %s says of an outage for one only if nothing follows: %s, %s',
  ([, code, message]) => {
    expect(connectionLost(said(code, message))).toBe(true);
    expect(connectionLost(said(code, `${message}, as the user wrote`))).toBe(false);
  },
);

test.for<[pooler: string, code: string, message: string]>([
  [
    'PostgreSQL',
    '08P01',
    'bind message supplies 1 parameters, but prepared statement "" requires 2',
  ],
  ['PostgreSQL', '08P01', 'bind message has 4464 parameter formats but 0 parameters'],
  ['PostgreSQL', '08P01', 'invalid message format'],
  ['PostgreSQL', '58000', 'could not open file'],
  ['PostgreSQL', 'XX000', 'cache lookup failed for relation 16384'],
  ['PgBouncer', '08P01', 'unsupported startup parameter: statement_timeout'],
  ['PgBouncer', '08P01', 'unsupported startup parameter in options: search_path'],
  ['PgBouncer', '08P01', 'no such database: orders'],
  ['PgBouncer', '08P01', 'password authentication failed'],
  ['PgBouncer', '08P01', 'server login failed: wrong password type'],
  ['PgBouncer', '08P01', 'SSL required'],
  ['PgBouncer', '08P01', 'query_timeout'],
  ['PgCat', '58000', 'No pool configured for database: "orders", user: "service"'],
  ['PgCat', '58000', 'could not get connection from the pool - InvalidShardId(7)'],
  ['PgCat', '58000', 'pool statement timeout'],
  ['PgDog', '58000', 'cross-shard queries are disabled'],
  ['PgDog', '58000', 'query timeout'],
  ['PgDog', '08004', 'only TLS connections are allowed'],
  ['Odyssey', '3D000', "odyssey: c1f0a: route for 'a.b' is not found"],
  ['Odyssey', '08P01', 'odyssey: c1f0a: SSL is required'],
  ['Supavisor', 'XX000', '(ENOTFOUND) tenant/user service.orders not found'],
  [
    'Supavisor',
    'XX000',
    '(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked',
  ],
  ['Supavisor', 'XX000', '(EAUTHQUERY) user not found in the database'],
  [
    'Supavisor',
    'XX000',
    '(EMAXPREPARED) max prepared statements limit reached. Limit: 100 per connection',
  ],
  ['Supavisor 1', 'XX000', 'Tenant or user not found'],
  ['RDS Proxy', '28000', 'This RDS Proxy requires TLS connections'],
  [
    'RDS Proxy',
    '0A000',
    "Feature not supported: RDS Proxy currently doesn't support the option options.",
  ],
])('does not take what %s refuses for good for an outage: %s, %s', ([, code, message]) => {
  expect(replicaUnavailable(said(code, message))).toBe(false);
});

test.for(['only TLS connections are allowed here', 'no TLS: only TLS connections are allowed'])(
  'takes "%s" for a lost connection, because PgDog does not say that of TLS',
  (message) => {
    expect(connectionLost(said('08004', message))).toBe(true);
  },
);
