import { findProgram } from '../companion-server.ts';

/** What a cluster needs to know of the servers that it is made of. */
export interface Brand {
  readonly brand: 'MariaDB' | 'MySQL';
  /** Where the server's program is. `undefined` when it is not installed. */
  readonly program: string | undefined;
  /** Why nothing is tested on it here, if nothing is. */
  readonly obstacle: string | undefined;
  /** Makes a data directory: a program and its arguments, without the directory. */
  readonly initialize: readonly string[];
  readonly settings: readonly string[];
  /** Makes a server the replica of the one at `port`. */
  readonly follow: (port: number) => string;
  /** Sets how many seconds late each transaction is applied, while the replica applies none. */
  readonly delay: (seconds: number) => string;
  /** Selects all that was committed on a primary. */
  readonly written: string;
  /** Selects 0 when a replica has that, and something else when it does not get there within 30 seconds. */
  readonly applied: string;
}

const MARIADBD = await findProgram('mariadbd');

const MARIADB: Brand = {
  brand: 'MariaDB',
  program: MARIADBD,
  obstacle: MARIADBD ? undefined : 'Nothing is tested on MariaDB, because it is not installed.',
  initialize: [
    'mariadb-install-db',
    '--no-defaults',
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    '--innodb-log-file-size=8M',
  ],
  settings: ['--gtid-strict-mode=1', '--log-slave-updates=1', '--innodb-log-file-size=8M'],
  follow: (port) =>
    `change master to master_host = '127.0.0.1', master_port = ${port}, master_user = 'service',
      master_connect_retry = 1, master_use_gtid = slave_pos`,
  delay: (seconds) => `change master to master_delay = ${seconds}`,
  written: 'select @@global.gtid_binlog_pos',
  applied: 'select master_gtid_wait(?, 30)',
};

const MYSQLD = process.env['KYSELY_REPLICA_FALLBACK_TEST_MYSQLD'] || undefined;

const MYSQL: Brand = {
  brand: 'MySQL',
  program: MYSQLD,
  obstacle: MYSQLD
    ? undefined
    : 'Nothing is tested on MySQL, because KYSELY_REPLICA_FALLBACK_TEST_MYSQLD does not name its server.',
  initialize: [MYSQLD ?? '', '--no-defaults', '--initialize-insecure'],
  settings: [
    '--gtid-mode=on',
    '--enforce-gtid-consistency=on',
    '--relay-log-recovery=on',
    '--innodb-redo-log-capacity=16M',
    '--mysqlx=off',
    '--secure-file-priv=NULL',
  ],
  follow: (port) =>
    `change replication source to source_host = '127.0.0.1', source_port = ${port}, source_user = 'service',
      source_connect_retry = 1, source_auto_position = 1, get_source_public_key = 1`,
  delay: (seconds) => `change replication source to source_delay = ${seconds}`,
  written: 'select @@global.gtid_executed',
  applied: 'select wait_for_executed_gtid_set(?, 30)',
};

/** For a table of tests. MySQL is in no stable release of Debian: `.ci/unpack-mysql.sh` gets it. */
export const BRANDS: readonly Brand[] = [MARIADB, MYSQL];
