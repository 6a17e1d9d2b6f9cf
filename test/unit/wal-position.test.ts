import { CompiledQuery } from 'kysely';
import { InvalidOptionError, InvalidPositionError } from 'kysely-replica-fallback';
import { walPosition } from 'kysely-replica-fallback/postgres';
import { describe, expect, test } from 'vitest';
import { readReplayed } from '../../src/postgres/replayed-position.ts';
import { compareWalPositions } from '../../src/postgres/wal-position.ts';
import { scriptedPostgres } from '../support/scripted-postgres.ts';

const ONE = '0123456789ab';
const OTHER = 'ba9876543210';

test.for([
  ['the same position', `${ONE}-3000148`, `${ONE}-3000148`, 'reached'],
  ['a later one', `${ONE}-3000149`, `${ONE}-3000148`, 'reached'],
  ['an earlier one', `${ONE}-3000147`, `${ONE}-3000148`, 'behind'],
  ['one with more digits', `${ONE}-10000000`, `${ONE}-f000000`, 'reached'],
  ['one with fewer digits', `${ONE}-f000000`, `${ONE}-10000000`, 'behind'],
  ['one of another timeline', `${OTHER}-3000148`, `${ONE}-3000148`, 'unknown'],
  ['more, where nothing more is asked for', `${ONE}-3000148~aaaaaaaa`, `${ONE}-3000148`, 'reached'],
  ['no more, where more was seen', `${ONE}-3000148`, `${ONE}-3000148~aaaaaaaa`, 'behind'],
  ['more on the server where more was seen', `${ONE}-2~aaaaaaaa`, `${ONE}-2~aaaaaaaa`, 'reached'],
  [
    'more on another server than more was seen on',
    `${ONE}-2~bbbbbbbb`,
    `${ONE}-2~aaaaaaaa`,
    'behind',
  ],
  ['a later position than more was seen after', `${ONE}-3`, `${ONE}-2~aaaaaaaa`, 'reached'],
] as const)('a server that has replayed %s', ([, replayed, position, reach]) => {
  expect(compareWalPositions(replayed, position)).toBe(reach);
});

test.for([
  '',
  'now',
  ONE,
  `${ONE}-`,
  `${ONE}-03`,
  `${ONE}-3~`,
  `${ONE}-3~aaaaaaa`,
  `${ONE}-3~AAAAAAAA`,
  ` ${ONE}-3`,
])('%j is no position', (given) => {
  expect(() => compareWalPositions(given, `${ONE}-3`)).toThrow(InvalidPositionError);
  expect(() => compareWalPositions(`${ONE}-3`, given)).toThrow(InvalidPositionError);
});

test('the position of a primary is the text that it gives', async () => {
  const { db, asked } = scriptedPostgres<object>(() => [{ position: `${ONE}-3000148` }]);

  expect(await walPosition(db)).toBe(`${ONE}-3000148`);
  expect(asked).toHaveLength(2); // one statement, and the release of its connection
});

test.for([
  ['no row', []],
  ['null', [{ position: null }]],
  ['a number', [{ position: 3 }]],
])('a primary that gives %s has no position', async ([, rows]) => {
  const { db } = scriptedPostgres<object>(() => rows as object[]);

  await expect(walPosition(db)).rejects.toThrow('The primary gave no WAL position.');
});

describe('a primary whose log is flushed up to the middle of a record', () => {
  test('is asked to flush the rest, and gives the position after that', async () => {
    const { db, asked } = cutPrimary(() => [{ position: `${ONE}-3000148` }]);

    expect(await walPosition(db)).toBe(`${ONE}-3000148`);
    expect(asked).toHaveLength(4); // two statements, and what releases their connections
  });

  test('has the position that it gave first if it refuses', async () => {
    const { db } = cutPrimary(() => {
      throw new Error('permission denied');
    });

    expect(await walPosition(db)).toBe(`${ONE}-3000000`);
  });
});

test('`asynchronousCommits` asks for all that was written, flushed or not', async () => {
  for (const asynchronousCommits of [false, undefined, true]) {
    const { db, asked } = scriptedPostgres<object>(() => [{ position: `${ONE}-3000148` }]);

    await walPosition(db, { asynchronousCommits });

    const isFlushed = asked.join('').includes('pg_current_wal_flush_lsn');
    expect(isFlushed).toBe(asynchronousCommits !== true);
  }
});

test.for<[never, string]>([
  [{ asynchronousCommits: 1 } as never, 'Expected `asynchronousCommits` to be a boolean, got 1.'],
  [null as never, 'Expected `options` to be an object, got null.'],
])('walPosition() refuses the options %o', async ([options, message]) => {
  const { db, asked } = scriptedPostgres<object>(() => []);

  const error: unknown = await walPosition(db, options).catch((reason: unknown) => reason);

  expect(error).toBeInstanceOf(InvalidOptionError);
  expect(error).toMatchObject({ message });
  expect(asked).toEqual([]);
});

test('the statement is to Kysely and its plugins what `CompiledQuery.raw` gives', async () => {
  const queries: { readonly sql: string; readonly queryId: object }[] = [];
  const client = {
    async executeQuery(query: (typeof queries)[number]) {
      queries.push(query);
      return { rows: [{ position: `${ONE}-3000148` }] };
    },
  };

  await walPosition(client);

  const [query] = queries;
  expect(query).toEqual({
    ...CompiledQuery.raw(query?.sql ?? ''),
    queryId: { queryId: expect.stringMatching(/./) as string },
  });
});

/** A server whose log is flushed up to the middle of a record, and what it says when it is asked to flush the rest. */
function cutPrimary(flushed: () => object[]) {
  return scriptedPostgres<object>((sql) =>
    sql.includes('pg_logical_emit_message') ? flushed() : [{ position: `${ONE}-3000000 cut` }],
  );
}

/** All that a statement reads of the server: functions, and the columns that they return. */
function usedBy(statements: readonly string[]): string[] {
  const names = statements
    .join('\n')
    .match(/\b[a-z_\d]+(?=\()|\bsystem_identifier|\w+_(tli|timeline|id)\b/g);
  return [...new Set(names)].toSorted();
}

test('the statements call nothing but what an ordinary role may call', async () => {
  const primary = scriptedPostgres<object>(() => [{ position: `${ONE}-3000148` }]);
  const asynchronous = scriptedPostgres<object>(() => [{ position: `${ONE}-3000148` }]);
  const standby = scriptedPostgres<object>(() => [{ replayed: `3000148 a 180004 ${ONE}` }]);

  await walPosition(primary.db);
  await walPosition(asynchronous.db, { asynchronousCommits: true });
  await readReplayed(standby.db);

  const usedByPrimary = usedBy(primary.asked);
  expect(usedBy(asynchronous.asked)).toEqual(
    usedByPrimary.filter((name) => name !== 'pg_current_wal_flush_lsn'),
  );
  expect(usedByPrimary).toEqual([
    'bit',
    'convert_to',
    'current_setting',
    'encode',
    'left',
    'pg_control_system',
    'pg_current_wal_flush_lsn',
    'pg_current_wal_insert_lsn',
    'pg_current_xact_id_if_assigned',
    'pg_size_bytes',
    'pg_walfile_name',
    'sha256',
    'substr',
    'system_identifier',
    'to_hex',
  ]);
  expect(usedBy(standby.asked)).toEqual([
    'convert_to',
    'current_setting',
    'encode',
    'extract',
    'greatest',
    'min_recovery_end_timeline',
    'pg_control_checkpoint',
    'pg_control_recovery',
    'pg_control_system',
    'pg_is_in_recovery',
    'pg_last_wal_receive_lsn',
    'pg_last_wal_replay_lsn',
    'pg_postmaster_start_time',
    'received_tli',
    'sha256',
    'statement_timestamp',
    'substr',
    'system_identifier',
    'timeline_id',
    'to_hex',
    'transaction_timestamp',
  ]);
});

test('a standby that may show more names itself, but only as a hash', async () => {
  const { db, asked } = scriptedPostgres<object>(() => [{ replayed: `3000148 a 180004 ${ONE}` }]);

  await readReplayed(db);

  expect(asked[0]).toContain("'~' || encode(substr(sha256(convert_to(server, 'UTF8')), 1, 4)");
});
