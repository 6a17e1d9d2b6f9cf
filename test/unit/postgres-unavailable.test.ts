import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import {
  connectionLost,
  recoveryConflict,
  replicaUnavailable,
  schemaBehind,
} from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { expect, test } from 'vitest';

const lost = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });

test('looks into what an error was made of', () => {
  const wrapped = new Error('Failed query', { cause: new Error('again', { cause: lost }) });

  expect([connectionLost, replicaUnavailable].map((isOne) => isOne(wrapped))).toEqual([true, true]);
});

test('knows an error of another realm', () => {
  const error: unknown = runInNewContext(
    `Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })`,
  );

  expect(error).not.toBeInstanceOf(Error);
  expect(connectionLost(error)).toBe(true);
});

test('ends with an error that is its own cause', () => {
  const circular = new Error('circular');
  circular.cause = circular;

  expect(replicaUnavailable(circular)).toBe(false);
});

test.for([
  undefined,
  null,
  'ECONNREFUSED',
  57,
  {},
  { code: 'ECONNREFUSED' },
  { message: 57 },
  { message: '…', code: Object.create(null) as unknown },
  { message: '…', code: 53_300 },
  { message: '…', cause: { message: Object.create(null) as unknown, code: Symbol('08006') } },
])('takes %o for no error of a server', (thrown) => {
  expect(replicaUnavailable(thrown)).toBe(false);
});

test.for([
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08S01',
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'CONNECTION_CLOSED',
  'CONNECT_TIMEOUT',
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2037',
])('takes %s for a lost connection', (code) => {
  const error = Object.assign(new Error('…'), { code });
  const kinds = [connectionLost, recoveryConflict, schemaBehind].map((isOne) => isOne(error));
  expect(kinds).toEqual([true, false, false]);
});

test('takes a socket that is not there for a lost connection, and no other file', async () => {
  const pool = new Pool({ host: '/no/such/directory' });
  const error: unknown = await pool.query('select 1').catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'ENOENT' });
  expect([connectionLost, replicaUnavailable].map((isOne) => isOne(error))).toEqual([true, true]);
  const noFile: unknown = await readFile('/no/such/file').catch((thrown: unknown) => thrown);
  expect(noFile).toMatchObject({ code: 'ENOENT' });
  expect(replicaUnavailable(noFile)).toBe(false);
});

test('takes no mistake for a lost connection because its message begins like one', () => {
  expect(replicaUnavailable(new TypeError('connect is not a function'))).toBe(false);
});

test.for([
  '08P01',
  '28000',
  '28P01',
  '3D000',
  '42501',
  'P1000',
  'P1003',
  'P1010',
  'P1011',
  '22P02',
  '53200',
  '57014',
  '57P04',
  '53000',
  '08',
  '1008006',
  '40001',
  '40P01',
  '23505',
  '25006',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
])('does not take %s for unavailability', (code) => {
  expect(replicaUnavailable(Object.assign(new Error('…'), { code }))).toBe(false);
});

test.for(['40001', '40P01'])('takes %s for a recovery conflict if its message says so', (code) => {
  const message = 'canceling statement due to conflict with recovery';

  const kinds = [recoveryConflict, replicaUnavailable, connectionLost, schemaBehind].map((isOne) =>
    isOne(Object.assign(new Error(message), { code })),
  );

  expect(kinds).toEqual([true, true, false, false]);
  expect(recoveryConflict(Object.assign(new Error('deadlock detected'), { code }))).toBe(false);
});

test.for([
  ['40001', 'ProcessInterrupts'], // PostgreSQL 14 to 16
  ['40001', 'ProcessRecoveryConflictInterrupt'], // 17 and 18
  ['40P01', 'CheckRecoveryConflictDeadlock'],
])('takes %s of %s for a recovery conflict in any language', ([code, routine]) => {
  const message = 'storniere Anfrage wegen Konflikt mit der Wiederherstellung';

  expect(recoveryConflict(Object.assign(new Error(message), { code, routine }))).toBe(true);
});

test.for([
  ['57014', 'ProcessInterrupts'],
  ['40001', 'heapam_tuple_update'],
  ['40001', 'PreCommit_CheckForSerializationFailure'],
  ['40P01', 'DeadLockReport'],
  ['40001', 'HoldProcessInterrupts'],
  ['40001', 'ProcessInterruptsLater'],
])('takes %s of %s for no recovery conflict', ([code, routine]) => {
  expect(replicaUnavailable(Object.assign(new Error('…'), { code, routine }))).toBe(false);
});

test.for([
  [{ routine: 'enum_in', message: 'ungültiger Eingabewert für Enum stimmung: »b«' }, true],
  [{ routine: 'enum_recv', message: '…' }, true],
  [{ message: 'invalid input value for enum mood: "b"' }, true],
  [{ routine: 'pg_strtoint32_safe', message: '… type integer: "a value for enum mood"' }, false],
  [{ routine: 'anyenum_in', message: '…' }, false],
  [{ routine: 'enum_input', message: '…' }, false],
  [{ message: 'invalid input syntax for type integer: "a value for enum mood"' }, false],
] as const)('knows a value that an enum does not have yet: %o', ([said, expected]) => {
  expect(schemaBehind(Object.assign(new Error(), said, { code: '22P02' }))).toBe(expected);
});

test('does not take what an enum reports with another code for a schema that is behind', () => {
  const said = { code: 'P0001', routine: 'enum_in' };
  expect(replicaUnavailable(Object.assign(new Error('…'), said))).toBe(false);
});

test.for(['57014', undefined])('takes %s for no recovery conflict, whatever it says', (code) => {
  const message = 'canceling statement due to conflict with recovery';
  expect(replicaUnavailable(Object.assign(new Error(message), { code }))).toBe(false);
});

test.for(['3F000', '42P01', '42703', '42704', '42846', '42883', 'P2021', 'P2022'])(
  'takes %s for a schema that is behind',
  (code) => {
    const error = Object.assign(new Error('…'), { code });
    const kinds = [connectionLost, recoveryConflict, schemaBehind].map((isOne) => isOne(error));
    expect(kinds).toEqual([false, false, true]);
  },
);

test.for(['42501', 'X42P01', '42P01X', '57P012', 'XECONNRESET', 'ECONNRESETX', 'XP1001', 'P10012'])(
  'takes %s for nothing that it knows',
  (code) => {
    expect(replicaUnavailable(Object.assign(new Error('…'), { code }))).toBe(false);
  },
);

test.for([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Client has encountered a connection error and is not queryable',
  'Knex: Timeout acquiring a connection. The pool is probably full.',
])('takes "%s" for a lost connection, without a code', (message) => {
  expect(connectionLost(new Error(message))).toBe(true);
  expect(connectionLost(new Error(`The user wrote: ${message}`))).toBe(false);
  expect(connectionLost(new Error(`${message}, as the user wrote`))).toBe(
    message.startsWith('Knex'),
  );
  expect(connectionLost(Object.assign(new Error(message), { code: 'P0001' }))).toBe(false);
});

test('knows what knex says after the statement, and not what Drizzle says of the parameters', () => {
  const said = 'Connection terminated unexpectedly';
  const cause = Object.assign(new Error('division by zero'), { code: '22012' });

  expect(connectionLost(new Error(`select 1 - 2 - ${said}`))).toBe(true);
  expect(connectionLost(new Error(`Failed query: …\nparams: 1 - ${said}`, { cause }))).toBe(false);
  expect(connectionLost(new Error('Knex: Defined query timeout of 5ms exceeded'))).toBe(false);
});

test.for([
  [{ kind: 'DatabaseNotReachable', host: '127.0.0.1' }, [true, false, false]],
  [{ kind: 'ConnectionClosed' }, [true, false, false]],
  [{ kind: 'SocketTimeout' }, [true, false, false]],
  [{ kind: 'TooManyConnections', originalCode: '53300' }, [true, false, false]],
  [{ kind: 'postgres', code: '57P01', message: '…' }, [true, false, false]],
  [{ kind: 'TableDoesNotExist', originalCode: '42P01' }, [false, false, true]],
  [
    {
      kind: 'TransactionWriteConflict',
      originalCode: '40001',
      originalMessage: 'canceling statement due to conflict with recovery',
    },
    [false, true, false],
  ],
  [
    { kind: 'TransactionWriteConflict', originalCode: '40001', originalMessage: 'could not …' },
    [false, false, false],
  ],
  [{ kind: 'postgres', code: '57014', message: '…' }, [false, false, false]],
  [{ kind: 'TlsConnectionError', reason: '…' }, [false, false, false]],
  [undefined, [false, false, false]],
] as const)("knows an error of Prisma's by what its adapter was told: %o", ([cause, expected]) => {
  const driverAdapterError = new Error('…', { cause });
  const error = Object.assign(new Error('…'), { code: 'P2010', meta: { driverAdapterError } });

  const kinds = [connectionLost, recoveryConflict, schemaBehind].map((isOne) => isOne(error));

  expect(kinds).toEqual(expected);
});

/** What Prisma's older engine makes of an error of `$queryRaw`. */
function raw(code: string, message: string): Error {
  const said = `Raw query failed. Code: \`${code}\`. Message: \`${message}\``;
  return Object.assign(new Error(said), { code: 'P2010', meta: { code, message } });
}

test("knows an error of Prisma's older engine, of a query and of the start", () => {
  expect(connectionLost(Object.assign(new Error('…'), { errorCode: 'P1001' }))).toBe(true);
  expect(connectionLost(Object.assign(new Error('…'), { errorCode: 'P1003' }))).toBe(false);
  expect(connectionLost(raw('57P01', 'terminating connection'))).toBe(true);
  expect(schemaBehind(raw('42P01', 'relation "orders" does not exist'))).toBe(true);
  expect(recoveryConflict(raw('40001', 'canceling … due to conflict with recovery'))).toBe(true);
  expect(replicaUnavailable(raw('40001', 'could not serialize access'))).toBe(false);
});

test('looks five errors deep, and no deeper', () => {
  const wrap = (error: Error, times: number): Error =>
    times === 0 ? error : wrap(new Error('again', { cause: error }), times - 1);

  expect(connectionLost(wrap(lost, 4))).toBe(true);
  expect(connectionLost(wrap(lost, 5))).toBe(false);
});

test('takes an error whose message is no text for none of a server', () => {
  expect(connectionLost({ message: 57, code: 'ECONNREFUSED' })).toBe(false);
});
