import type { DriverError } from '../databases/driver-errors.ts';

/**
 * A pooler says, in words of its own, that it has no server or no connection, or that it goes away. The code alone says too
 * little: PgBouncer has 08P01 for a startup parameter that it refuses as well, and 58000 and XX000 mean other things, too.
 */
export function isPoolerOutage({ code, wholeMessage }: DriverError): boolean {
  const sayings = OUTAGES.filter(({ codes }) => codes.some((each) => code.startsWith(each)));
  // Some of them have a " - " of their own.
  const parts = wholeMessage.split(' - ');
  return parts.some((_, index) => {
    const message = parts.slice(index).join(' - ');
    return sayings.some(({ messages }) => messages.test(message));
  });
}

/** By codes, or their classes. */
const OUTAGES = [
  // PgBouncer, 1.18 to 1.25. https://github.com/pgbouncer/pgbouncer/blob/master/src/objects.c, client.c, janitor.c, server.c
  {
    codes: ['08P01'],
    messages:
      /^(server (login has been failing|conn crashed\?|DNS lookup failed|shutting down|lifetime over)|pgbouncer cannot connect to server|(query_wait|client_login|client_idle|suspend)_timeout( \(server down\))?$|no more connections allowed|client connections exceeded|connect(ion)? (failed|timeout)|cannot connect$|admin forced disconnect|database (removed|configuration changed)|(connect string changed|obsolete connection|pause failed|bouncer resources exhaustion|out of memory)$|no memory for )/,
  },
  // PgCat. https://github.com/postgresml/pgcat/blob/main/src/client.rs
  {
    codes: ['58000'],
    messages:
      /^(could not get connection from the pool - (?!InvalidShardId)|checkout failure limit reached|error receiving data from server: |Pool down for database: |terminating connection due to administrator command$)/,
  },
  // PgDog. https://github.com/pgdogdev/pgdog/blob/main/pgdog/src/backend/pool/error.rs, net/messages/error_response.rs
  {
    codes: ['58000'],
    messages:
      /^(connection pool for user .+ is down|((replica )?checkout|connect|cluster start|healthcheck|read) timeout|(server|healthcheck) error|server (closed|not connected)|pool is (banned|shut down|not healthy)|manual ban|no (replicas|primary)|all replicas down|replica lag|(primary|replica) lsn query failed|fast shutdown failed|initial health check has not been successfully performed|net: (io: .+|connection closed by peer))$/,
  },
  // Odyssey, whose other outages are 08006 and 53300. https://github.com/yandex/odyssey/blob/master/sources/frontend.c
  {
    codes: ['58000', '53200'],
    messages: /^(odyssey: \S+: )?(client routing failed|soft out of memory)$/,
  },
  // Pgpool-II. https://github.com/pgpool/pgpool2/blob/master/src/protocol/child.c, pool_connection_pool.c
  {
    codes: ['XX000', '57000'],
    messages:
      /^(all backend nodes are down|pgpool is not accepting any new connections|failed to create a backend (\d+ )?connection|connection terminated due to online recovery)/,
  },
  // Supavisor, with a name for each error. https://github.com/supabase/supavisor/tree/main/lib/supavisor/errors
  {
    codes: ['XX000'],
    messages:
      /^\((EMAXCONN|EMAXCONNSESSION|EMAXPOOLSREACHED|ECHECKOUTTIMEOUT|ECHECKOUTRETRIES|ECHECKOUTFAILED|EPOOLCHECKOUT|EPOOLTERMINATING|EPOOLRANCHNOTFOUND|EDBHANDLEREXITED|EWORKERNOTFOUND|ESUBSCRIBERETRIES|EPROXYSTARTFAILED|EPROXYSUPERVISORUNAVAILABLE|EJITREQUESTFAILED)\) /,
  },
  {
    codes: ['XX000'],
    messages:
      /^\((ECIRCUITBREAKER\) (failed to retrieve database credentials|too many failed attempts to connect)|EAUTHQUERY\) (auth_query (connection failed|secret check timed out)|authentication query failed: connection to database not available))/,
  },
  // Supavisor 1 and 2, without names. https://github.com/supabase/supavisor/blob/v2.0.0/lib/supavisor/client_handler.ex
  {
    codes: ['XX000'],
    messages:
      /^(Unable to check out process from the pool due to timeout|Too many clients already|Max (client connections|pools count) reached|MaxClientsInSessionMode: .*|`?DbHandler exited.*|(connection to database closed|Failed to connect to database).*|\{:shutdown, :db_termination\})$/i,
  },
  // RDS Proxy. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.troubleshooting.html
  {
    codes: ['08', '53', '57', '58000', 'XX000'],
    messages:
      /^(Timed-out waiting to acquire database connection|The maximum number of client connections to the proxy exceeded |Rate of connection to proxy exceeded |The IAM authentication failed because of too many competing requests)/,
  },
  // Neon's proxy. https://github.com/neondatabase/neon/blob/main/proxy/src/compute/mod.rs
  {
    codes: ['XX000'],
    messages:
      /^(Couldn't connect to compute node|Control plane request failed$|Failed to acquire permit to connect to the database)/,
  },
];
