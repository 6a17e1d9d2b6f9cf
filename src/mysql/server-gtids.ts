import { assertNoTransaction } from '../databases/committed.ts';
import { NotPrimaryError } from '../errors.ts';
import { type GtidClient, selectText } from './gtid-client.ts';
import { type GtidPosition, type Gtids, parseGtids, printPosition } from './gtid-position.ts';
import { type Domains, latestOf, withHeir } from './mariadb-gtids.ts';
import { unionOf } from './mysql-gtids.ts';

/**
 * Asks a primary for its position: all that was committed before the call is in its set of global transaction identifiers
 * (GTIDs). Take it after a commit, and give it to a later read as `after`, in this process or another: a replica's answer then
 * counts only if the replica has applied that much.
 *
 * It is a URL-safe string, such as `0-1-270` from MariaDB, or `3e11fa47-71ca-11e1-9e33-c80aa9429562.1-77` from MySQL: it tells
 * whoever sees it the ids of the servers that have been primaries, and how many transactions there were.
 *
 * @param primary - Kysely with its `MysqlDialect`, a promise pool of mysql2, or a pool of mariadb
 * @throws InvalidOptionError for another client, and for a transaction of Kysely: the position would be older than its commit
 * @throws NotPrimaryError when the server is read-only
 * @throws Error when the server keeps no GTIDs, or those of too many servers, and what the query throws
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { gtidCatchUp, gtidPosition } from 'kysely-replica-fallback/mysql';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: gtidCatchUp() });
 *
 * await primary.updateTable('orders').set({ status: 'paid' }).where('id', '=', id).execute();
 * const position = await gtidPosition(primary);
 *
 * const order = await read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { after: position }, // is paid
 * );
 * ```
 */
export async function gtidPosition(primary: GtidClient): Promise<string> {
  return askGtidPosition(primary);
}

/** Of a client that nobody has checked. */
export async function askGtidPosition(primary: object): Promise<string> {
  assertNoTransaction(primary);
  const server = await ask(primary, 'primary');
  if (server?.isReadOnly) throw new NotPrimaryError();
  const all = server?.brand === 'mariadb' ? writtenBy(server) : server?.position?.shown;
  if (all === undefined) throw new Error('The primary gave no GTIDs.');
  const position = printPosition({ counted: all, shown: all });
  if (position === undefined) throw new Error('The primary has too many GTIDs for a position.');
  return position;
}

/** @throws NotPrimaryError for a server that takes no writes: all that an ordinary user can see of what it is */
export async function assertPrimary(connection: object): Promise<GtidServer | undefined> {
  const server = await ask(connection, 'primary');
  if (server?.isReadOnly) throw new NotPrimaryError();
  return server;
}

/**
 * What a replica has applied. `undefined` for a server that is none.
 *
 * It can show a change a moment before it counts as applied. What a replica of MariaDB has written to its own binary log, and
 * what one of MySQL is at, has all that it shows. A replica of MariaDB that logs no updates does not tell.
 */
export async function readReplayed(replica: object): Promise<string | undefined> {
  return replayedBy(await askReplica(replica));
}

/** The same in two steps, for who wants to know more of the server. */
export function askReplica(replica: object): Promise<GtidServer | undefined> {
  return ask(replica, 'replica');
}

export function replayedBy(server: GtidServer | undefined): string | undefined {
  if (server === undefined) return undefined;
  const position = server.brand === 'mysql' ? server.position : appliedBy(server);
  return position && printPosition(position);
}

/**
 * A primary that was a replica has all that it applied then, which it need not have logged. One that logs nothing does not tell
 * what it writes.
 */
function writtenBy({ id, domain, applied, logged }: MariadbServer): Gtids | undefined {
  if (logged.size === 0) return undefined;
  return { brand: 'mariadb', domains: withHeir(latestOf(applied, logged), domain, id) };
}

/** A replica that was promoted keeps the position that it had then, and logs what it writes. */
function appliedBy({ id, applied, logged, logsUpdates }: MariadbServer): GtidPosition | undefined {
  if (applied.size === 0) return undefined;
  // To a domain of its own, it writes what is not for others.
  const theirs = [...logged].filter(([domain, { server }]) => server !== id || applied.has(domain));
  const shown = latestOf(applied, new Map(theirs));
  for (const [domain, { server }] of shown) {
    if (server === id && applied.get(domain)?.server !== id) return undefined;
  }
  return {
    counted: { brand: 'mariadb', domains: applied },
    shown: logsUpdates ? { brand: 'mariadb', domains: shown } : undefined,
  };
}

/** What a server says of itself, and of the connection that it was asked on. */
export type GtidServer = MariadbServer | MysqlServer;

interface ServerState {
  readonly isReadOnly: boolean;
  readonly isAutocommit: boolean;
  /** `undefined` on MySQL, where an ordinary user cannot ask. */
  readonly isInTransaction: boolean | undefined;
}

interface MariadbServer extends ServerState {
  readonly brand: 'mariadb';
  readonly id: string;
  /** The one that it writes to. */
  readonly domain: string;
  readonly logsUpdates: boolean;
  readonly applied: Domains;
  readonly logged: Domains;
}

interface MysqlServer extends ServerState {
  readonly brand: 'mysql';
  readonly position: GtidPosition | undefined;
}

async function ask(client: object, option: 'primary' | 'replica'): Promise<GtidServer | undefined> {
  const answer = await selectText(client, GTIDS, option);
  const [brand, ...rest] = answer?.replaceAll(/\s/g, '').split(';') ?? [];
  if (brand === 'mariadb') {
    const [id = '', logsUpdates, applied = '', logged = '', readOnly, ...more] = rest;
    const [autocommit, inTransaction, domain = ''] = more;
    return {
      brand,
      isReadOnly: readOnly === '1',
      isAutocommit: autocommit !== '0',
      isInTransaction: inTransaction === '1',
      id,
      domain,
      logsUpdates: logsUpdates === '1',
      applied: domainsOf(applied),
      logged: domainsOf(logged),
    };
  }
  if (brand !== 'mysql') return undefined;
  const [owned = '', executed = '', readOnly, autocommit] = rest;
  const state = {
    isReadOnly: readOnly === '1',
    isAutocommit: autocommit !== '0',
    isInTransaction: undefined,
  };
  const counted = parseGtids(executed, /[:,]/);
  if (counted?.brand !== 'mysql') return { brand, ...state, position: undefined };
  const current = parseGtids(withoutThreads(owned), /[:,]/);
  const isAt = current?.brand === 'mysql' ? current.sets : new Map();
  const shown = { brand, sets: unionOf(counted.sets, isAt) } as const;
  return { brand, ...state, position: { counted, shown } };
}

/** Each has the number of the thread that is at it, after which the next server's UUID follows with no comma. */
function withoutThreads(owned: string): string {
  return owned.replaceAll(/#\d+(?=[\da-f]{8}-)/g, ',').replaceAll(/#\d+/g, '');
}

function domainsOf(text: string): Domains {
  const gtids = parseGtids(text, ',');
  return gtids?.brand === 'mariadb' ? gtids.domains : new Map();
}

/**
 * One statement for both: comments with an `M` are code to MariaDB alone, the other one to MySQL alone. MySQL is first asked what it is
 * at, because that is soon executed. In another mode it keeps the set, while transactions get no GTIDs.
 * https://mariadb.com/kb/en/comment-syntax/
 */
const GTIDS = `
  select concat_ws(';'
    /*M! , 'mariadb', @@global.server_id, if(@@global.log_bin and @@global.log_slave_updates, 1, 0),
      @@global.gtid_slave_pos, @@global.gtid_binlog_pos */
    /*!50701 , 'mysql', @@global.gtid_owned, if(@@global.gtid_mode = 'ON', @@global.gtid_executed, '') */
    , if(concat(@@global.read_only) in ('0', 'OFF') and not @@global.innodb_read_only, 0, 1)
    , if(@@session.autocommit, 1, 0)
    /*M! , @@in_transaction, @@global.gtid_domain_id */
  ) as gtids`;
