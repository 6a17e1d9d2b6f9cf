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
  '08006',
  '08P01',
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

test.for(['57014', undefined])('takes %s for no recovery conflict, whatever it says', (code) => {
  const message = 'canceling statement due to conflict with recovery';
  expect(replicaUnavailable(Object.assign(new Error(message), { code }))).toBe(false);
});

test.for(['42P01', '42703', '42883'])('takes %s for a schema that is behind', (code) => {
  const error = Object.assign(new Error('…'), { code });
  const kinds = [connectionLost, recoveryConflict, schemaBehind].map((isOne) => isOne(error));
  expect(kinds).toEqual([false, false, true]);
});

test.for(['42501', 'X42P01', '42P01X', '57P012', 'XECONNRESET', 'ECONNRESETX'])(
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

test('looks five errors deep, and no deeper', () => {
  const wrap = (error: Error, times: number): Error =>
    times === 0 ? error : wrap(new Error('again', { cause: error }), times - 1);

  expect(connectionLost(wrap(lost, 4))).toBe(true);
  expect(connectionLost(wrap(lost, 5))).toBe(false);
});

test('takes an error whose message is no text for none of a server', () => {
  expect(connectionLost({ message: 57, code: 'ECONNREFUSED' })).toBe(false);
});
