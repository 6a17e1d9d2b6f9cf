import { Kysely, MysqlDialect } from 'kysely';
import { createReplicaFallback, InvalidOptionError } from 'kysely-replica-fallback';
import { createCausalSession, gtidCatchUp, gtidPosition } from 'kysely-replica-fallback/mysql';
import { describe, expect, test } from 'vitest';
import { sourceOf } from '../../src/catch-up/create-catch-up.ts';
import { readReplayed } from '../../src/mysql/server-gtids.ts';
import type { SqlPool } from '../../src/mysql/sql-pool.ts';

const BEGIN = 'set transaction isolation level read committed, read only';
const PROBE = 'set @@transaction_isolation = @@session.transaction_isolation';
const OPEN = Object.assign(new Error('A transaction is in progress.'), { errno: 1568 });
const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d';
/** Its first digits could be more of the number before it. */
const C = '10000000-71ca-11e1-9e33-c80aa9429562';

const unused = async (): Promise<never> => {
  throw new Error('Nobody should call this.');
};

/** A pool whose server has these GTIDs, and may fail at a statement. */
function poolWith(gtids: string | null, fail: (statement: string) => void = () => {}) {
  const asked: string[] = [];
  const query = async (sql: string) => {
    const statement = sql.includes('gtid_slave_pos') ? 'check' : sql;
    asked.push(statement);
    fail(statement);
    return [[{ text: statement === 'check' ? gtids : '0' }], []];
  };
  const pool: SqlPool = {
    query,
    getConnection: async () => ({
      query,
      release: () => void asked.push('release'),
      destroy: () => void asked.push('destroy'),
    }),
  };
  return { pool, asked };
}

/** Has transactions of this many servers, and is at one more. */
function poolOf(servers: number): SqlPool {
  return poolWith(`mysql;${B}:1#17;${setOf(servers, ':', ',')}`).pool;
}

function setOf(servers: number, colon: string, comma: string): string {
  const uuids = Array.from({ length: servers }, (_, index) => `${A.slice(0, -3)}${100 + index}`);
  return uuids.map((uuid) => `${uuid}${colon}1-5`).join(comma);
}

/** Throws at one statement. */
function failAt(statement: string, error: unknown) {
  return (asked: string) => {
    if (asked === statement) throw error;
  };
}

const REACHED = 'mariadb;2;1;0-1-5;0-1-5';
const select = (db: SqlPool) => db.query('select 1');
const source = sourceOf(gtidCatchUp());
const run = (pool: SqlPool, query: (db: SqlPool) => Promise<unknown> = select, after = '0-1-5') =>
  gtidCatchUp()
    .runAt(pool, after, query as never)
    .catch((error: unknown) => error);

describe('the check of a replica', () => {
  test('shares a read-only transaction with the query, which comes after it', async () => {
    const { pool, asked } = poolWith(REACHED);

    expect(await run(pool)).toEqual([[{ text: '0' }], []]);

    expect(asked).toEqual([BEGIN, 'start transaction', 'check', 'select 1', 'commit', 'release']);
  });

  test('is left out where there is no position, but not the transaction', async () => {
    const { pool, asked } = poolWith(REACHED);

    await source?.runAt(pool, undefined, select as never);

    expect(asked).toEqual([BEGIN, 'start transaction', 'select 1', 'commit', 'release']);
  });

  test('shares a connection with the query, and no transaction, if `pin` says so', async () => {
    const { pool, asked } = poolWith(REACHED);

    await gtidCatchUp({ pin: 'connection' }).runAt(pool, '0-1-5', select as never);

    expect(asked).toEqual(['check', 'select 1', 'release']);
  });

  test.for<[string, string, (statement: string) => void, object]>([
    ['MariaDB', `${REACHED};1;1;1`, () => {}, { name: 'ReplicaBehindError', reach: 'unknown' }],
    ['MySQL', `mysql;;${A}:1-5;1;1`, failAt(PROBE, OPEN), { name: 'ReplicaBehindError' }],
    ['MariaDB without autocommit', `${REACHED};1;0;0`, () => {}, { option: 'replica' }],
    ['MySQL without autocommit', `mysql;;${A}:1-5;1;0`, () => {}, { option: 'replica' }],
  ])(
    'does not let the query run in a transaction that somebody has left open on %s',
    async ([, gtids, fail, expected]) => {
      const { pool, asked } = poolWith(gtids, fail);
      const after = gtids.startsWith('mysql') ? `${A}.1-5` : '0-1-5';
      const attempt = gtidCatchUp({ pin: 'connection' }).runAt(pool, after, select as never);

      await expect(attempt).rejects.toMatchObject(expected);
      expect(asked).not.toContain('select 1');
      expect(asked.at(-1)).toBe('release');
    },
  );

  test('asks MySQL once more whether a transaction is open, and fails as that does', async () => {
    const error = new Error('lost');
    const { pool, asked } = poolWith(`mysql;;${A}:1-5;1;1`, failAt(PROBE, error));
    const attempt = gtidCatchUp({ pin: 'connection' }).runAt(pool, `${A}.1-5`, select as never);

    await expect(attempt).rejects.toBe(error);
    expect(asked).toEqual(['check', PROBE, 'release']);
  });

  test('fails as the primary says where a transaction is open, and gives the error that it was', async () => {
    const { pool } = poolWith(REACHED, failAt(BEGIN, OPEN));
    const attempt = gtidCatchUp().runOnPrimary?.(pool, select as never);

    await expect(attempt).rejects.toMatchObject({ option: 'primary', cause: OPEN });
  });

  test.for([
    ['has not applied the position', 'mariadb;2;1;0-1-4;0-1-4', 'behind'],
    ['has no GTIDs', 'mariadb;2;1;;', 'unknown'],
    ['is another database', null, 'unknown'],
    ['is of MySQL', `mysql;;${A}:1-5`, 'unknown'],
    ['was promoted, and has written', 'mariadb;2;1;0-1-5;0-2-6', 'unknown'],
  ] as const)('does not let the query run on a server that %s', async ([, gtids, reach]) => {
    const { pool, asked } = poolWith(gtids);

    expect(await run(pool)).toMatchObject({ name: 'ReplicaBehindError', reach });
    expect(asked).not.toContain('select 1');
    expect(asked.at(-1)).toBe('release');
  });

  test.for([1193, 1227])(
    'takes a server that refuses it with %i for one that does not tell',
    async (errno) => {
      const refusal = Object.assign(new Error('…'), { errno });
      const { pool } = poolWith(REACHED, failAt('check', refusal));

      expect(await run(pool)).toMatchObject({ name: 'ReplicaBehindError', reach: 'unknown' });
    },
  );

  test.for([Object.assign(new Error('interrupted'), { errno: 1317 }), new Error('lost'), null])(
    'fails as the replica does with %o',
    async (error) => {
      const { pool } = poolWith(REACHED, failAt('check', error));
      expect(await run(pool)).toBe(error);
    },
  );
});

describe('a server that has transactions of', () => {
  const position = setOf(60, '.', '.');

  test('many servers, and is at more, has no room to tell of more, but has what it has', async () => {
    expect(await readReplayed(poolOf(60))).toBe(`${position}~`);
    expect(await run(poolOf(60), select, position)).toEqual([[{ text: '0' }], []]);
  });

  test('too many servers for a position has none', async () => {
    await expect(gtidPosition(poolOf(100))).rejects.toThrow(
      'The primary has too many GTIDs for a position.',
    );
    expect(await readReplayed(poolOf(100))).toBeUndefined();
    expect(await run(poolOf(100), select, position)).toMatchObject({ reach: 'unknown' });
  });
});

/** Asks a server to wait for a position, which answers at once. */
function waitOn(answer: unknown, position: string) {
  const asked: string[] = [];
  const pool = {
    query: async (sql: string) => {
      asked.push(sql);
      return answer;
    },
    getConnection: unused,
  };
  const reach = source?.whenReplayed?.(pool, position, 50);
  return { asked, reach };
}

describe('a server that is asked to wait', () => {
  test.for([
    ['MariaDB', '0-1-5.7-1-2', "master_gtid_wait('0-1-5,7-1-2', 0.05)"],
    ['MySQL', `${A}.1-5`, `wait_for_executed_gtid_set('${A}:1-5', 0.05)`],
    [
      'MySQL, for what a server may have shown',
      `${A}.1-5~${A}.1-6`,
      `wait_for_executed_gtid_set('${A}:1-6', 0.05)`,
    ],
  ] as const)('is %s', ([, position, wait]) => {
    expect(waitOn([], position).asked).toEqual([`select concat(${wait}) as status`]);
  });

  test.for([
    ['the row of mysql2', [[{ status: '0' }], []], 'reached'],
    ['the row of mariadb', [{ status: '0' }], 'reached'],
    ['a row as an array', [['0']], 'reached'],
    ['that the time is over', [{ status: '1' }], 'behind'],
    ['that the time is over, as MariaDB does', [{ status: '-1' }], 'behind'],
    ['null', [{ status: null }], 'unknown'],
    ['no row', [], 'unknown'],
    ['what is no text', [{ status: 0 }], 'unknown'],
    ['what is no list', undefined, 'unknown'],
  ] as const)('answers with %s', async ([, answer, reach]) => {
    await expect(waitOn(answer, '0-1-5').reach).resolves.toBe(reach);
  });

  test('is not asked for a position that does not tell all it needs', () => {
    expect(waitOn([], '0-1-5~')).toEqual({ asked: [], reach: undefined });
  });
});

describe('a client that is', () => {
  const WANTED = 'a Kysely client, a promise pool of mysql2 or a pool of mariadb';
  test.for<[string, unknown]>([
    ['none', {}],
    ['a pool that takes callbacks', { query: unused, getConnection: unused, promise: unused }],
    ['a connection', { query: unused, release: unused }],
    ['a text', 'mysql://localhost'],
  ])('%s is refused', async ([, given]) => {
    const client = given as never;
    await expect(gtidPosition(client)).rejects.toThrow(`Expected \`primary\` to be ${WANTED}`);
    const refusal = `Expected \`replica\` to be ${WANTED}`;
    expect(await run(client, unused)).toMatchObject({ message: expect.stringContaining(refusal) });
    await expect(source?.replayed(client)).rejects.toThrow(refusal);
    await expect(source?.whenReplayed?.(client, '0-1-5', 50)).rejects.toThrow(refusal);
  });
});

test('a transaction of Kysely has no position, because it is not committed yet', async () => {
  const { pool, asked } = poolWith(REACHED);
  const transaction = Object.assign(pool, { isTransaction: true });

  await expect(gtidPosition(transaction)).rejects.toMatchObject({
    name: 'InvalidOptionError',
    option: 'primary',
  });
  expect(asked).toEqual([]);
});

test('clients of one driver of Kysely are of one database, and those of two are not', () => {
  const dialect = new MysqlDialect({ pool: async () => ({}) as never });
  const [db, other] = [new Kysely<object>({ dialect }), new Kysely<object>({ dialect })];
  const database = source?.databaseOf?.(db);

  expect(database).toBeDefined();
  expect(source?.databaseOf?.(db.withSchema('tenant'))).toBe(database);
  expect(source?.databaseOf?.(other)).not.toBe(database);
});

describe('the pool that a query gets', () => {
  test('is its connection, which it cannot give back', async () => {
    const { pool, asked } = poolWith(REACHED);
    const connected = await pool.getConnection();
    const more = {
      threadId: 7,
      tellThreadId() {
        return this.threadId;
      },
    };
    pool.getConnection = async () => Object.assign(connected, more);

    const answer = await run(pool, async (db) => {
      const connection = await db.getConnection();
      expect(connection).toBe(db);
      expect(Reflect.get(connection, 'threadId')).toBe(7);
      expect('threadId' in connection).toBe(true);
      expect(Reflect.get(connection, 'tellThreadId')()).toBe(7);
      for (const name of ['release', 'releaseConnection', 'end', 'close', 'destroy'] as const) {
        await Reflect.get(connection, name)();
      }
      expect(asked.at(-1)).toBe('check');
      return connection.query('select 1');
    });

    expect(answer).toEqual([[{ text: '0' }], []]);
    expect(asked.slice(-3)).toEqual(['select 1', 'commit', 'release']);
  });
});

describe('a transaction', () => {
  test.for([BEGIN, 'start transaction'])(
    'that does not begin (%s) fails with the error of the server',
    async (statement) => {
      const error = new Error('no');
      const { pool, asked } = poolWith(REACHED, failAt(statement, error));

      expect(await run(pool)).toBe(error);
      expect(asked.at(-1)).toBe('destroy');
    },
  );

  test('that cannot be committed has given its answer all the same', async () => {
    const { pool, asked } = poolWith(REACHED, failAt('commit', new Error('lost')));

    expect(await run(pool)).toEqual([[{ text: '0' }], []]);
    expect(asked.at(-1)).toBe('destroy');
  });

  test('that cannot be ended fails with the error of the query', async () => {
    const error = new Error('The query failed.');
    const { pool, asked } = poolWith(REACHED, failAt('commit', new Error('lost')));

    expect(await run(pool, () => Promise.reject(error))).toBe(error);
    expect(asked.at(-1)).toBe('destroy');
  });
});

test.for([
  ['mariadb;1;1;;0-1-5', '0-1-5'],
  ['mariadb;1;1;0-3-4;7-1-2,0-1-5', '0-1-5.7-1-2'],
  ['mariadb;1;1;0-3-4;7-1-2,0-1-5;0;1;0;0', '0-1-5.7-1-2'],
  ['mariadb;1;1;0-3-4;7-1-2,0-3-4;0;1;0;0', '0-3-4_1.7-1-2'],
  ['mariadb;1;1;0-3-4;7-1-2,0-3-4;0;1;0;7', '0-3-4.7-1-2'],
  ['mariadb;1;0;0-3-9,7-3-0;0-1-5', '0-3-9.7-3-0'],
  [`mysql;;${A}:1-5,\n${B}:1`, `${A}.1-5.${B}.1`],
  [`mysql;${A}:6#17:8#18;${A}:1-5`, `${A}.1-6.8`],
  [`mysql;${A}:6#17${A}:red:2#18:3#19${B}:4#20;${A}:1-5`, `${A}.1-6.${A}.red.2-3.${B}.4`],
  [`mysql;${C}:6#1723${C}:red:2#8;${A}:1-5`, `${C}.6.${C}.red.2.${A}.1-5`],
] as const)('of %j, the position of a primary is %s', async ([gtids, position]) => {
  expect(await gtidPosition(poolWith(gtids).pool)).toBe(position);
});

test.for([
  (bytes: Buffer) => [[{ text: bytes }], []],
  (bytes: Buffer) => [[[bytes]], []],
  (bytes: Buffer) => [{ text: bytes }],
])('a position may come as bytes, as by `typeCast: false`: %s', async (answer) => {
  const query = async () => answer(Buffer.from('mariadb;1;1;;0-1-5'));
  const pool: SqlPool = { query, getConnection: unused };

  expect(await gtidPosition(pool)).toBe('0-1-5');
});

test.for(['mariadb;1;0;0-1-5;', 'mysql;;', 'else', null])(
  'of %j, a primary has no position',
  async (gtids) => {
    await expect(gtidPosition(poolWith(gtids).pool)).rejects.toThrow('The primary gave no GTIDs.');
  },
);

test.for([
  ['mariadb;2;1;0-1-5;0-1-5', '0-1-5'],
  ['mariadb;2;1;0-1-5;0-1-7', '0-1-5~0-1-7'],
  ['mariadb;2;1;0-1-5;0-1-7,9-2-3', '0-1-5~0-1-7'],
  ['mariadb;2;1;0-1-5;0-1-5,7-1-1', '0-1-5~0-1-5.7-1-1'],
  ['mariadb;2;1;0-1-5;', '0-1-5'],
  ['mariadb;2;0;0-1-5;0-1-5', '0-1-5~'],
  ['mariadb;2;1;0-2-5;0-2-5', '0-2-5'],
  ['mariadb;2;1;0-1-5;0-2-6', undefined],
  ['mariadb;2;1;;0-2-6', undefined],
  [`mysql;;${A}:1-5`, `${A}.1-5`],
  [`mysql;${A}:7#17${B}:1#18;${A}:1-5`, `${A}.1-5~${A}.1-5.7.${B}.1`],
  ['mysql;;', undefined],
] as const)('of %j, a replica has applied %s', async ([gtids, replayed]) => {
  expect(await readReplayed(poolWith(gtids).pool)).toBe(replayed);
});

test('a session goes on from what a replica may have shown, without asking the primary', async () => {
  const { pool, asked } = poolWith(REACHED);
  const options = { primary: pool, replica: poolWith(REACHED).pool, catchUp: gtidCatchUp() };
  const position = '0-1-5~0-1-6';

  const session = createCausalSession(createReplicaFallback<SqlPool>(options), { position });
  session.wrote(position);

  expect(await session.position()).toBe(position);
  expect(asked).toEqual([]);
});

test.for<[object, string]>([
  [{ pin: 'session' }, "Expected `pin` to be 'transaction' or 'connection', got \"session\"."],
  [null as never, 'Expected `options` to be an object, got null.'],
])('gtidCatchUp(%o) is refused', ([options, message]) => {
  expect(() => gtidCatchUp(options)).toThrow(InvalidOptionError);
  expect(() => gtidCatchUp(options)).toThrow(message);
});
