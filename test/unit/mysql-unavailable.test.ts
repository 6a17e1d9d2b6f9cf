import { connectionLost, replicaUnavailable, schemaBehind } from 'kysely-replica-fallback/mysql';
import { createPool } from 'mysql2/promise';
import { expect, test } from 'vitest';

/** As both drivers throw it. */
function serverError(errno: number, message = '…'): Error {
  return Object.assign(new Error(message), { errno, code: 'ER_…' });
}

function kindsOf(error: unknown): boolean[] {
  return [connectionLost, schemaBehind, replicaUnavailable].map((isOne) => isOne(error));
}

test.for([
  1040, 1053, 1129, 1203, 1226, 1927, 2006, 2013, 3032, 3169, 4031, 6400, 6401, 9001, 9002, 9004,
  9501, 45_001, 45_004, 45_009, 45_012, 45_013, 45_028,
])('takes %i for a lost connection', (errno) => {
  expect(kindsOf(serverError(errno))).toEqual([true, false, true]);
});

test.for(['PROTOCOL_CONNECTION_LOST', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'P1001'])(
  'takes %s for a lost connection',
  (code) => {
    expect(kindsOf(Object.assign(new Error('…'), { code }))).toEqual([true, false, true]);
  },
);

test('takes a socket that is not there for a lost connection', async () => {
  const pool = createPool({ socketPath: '/no/such/socket' });
  const error: unknown = await pool.query('select 1').catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'ENOENT' });
  expect(kindsOf(error)).toEqual([true, false, true]);
});

test.for([
  "Can't add new command when connection is in closed state",
  "Can't write in closed state",
  'Queue limit reached.',
  'No connections available.',
])('takes "%s" for a lost connection, without a code', (message) => {
  expect(kindsOf(new Error(message))).toEqual([true, false, true]);
  expect(connectionLost(new Error(`The user wrote: ${message}`))).toBe(false);
});

test.for([
  serverError(1525, "Incorrect DATE value: 'x - Queue limit reached.'"),
  serverError(1644, 'Queue limit reached.'),
  new Error("No such table: 'No connections available.'"),
  new Error('Queue limit reached. Please try again.'),
])('does not take what others have written for what mysql2 says: %s', (error) => {
  expect(connectionLost(error)).toBe(false);
});

test.for([1049, 1054, 1128, 1146, 1176, 1191, 1305, 1735, 1747, 4091, 4124])(
  'takes %i for a schema that is behind',
  (errno) => {
    expect(kindsOf(serverError(errno))).toEqual([false, true, true]);
  },
);

test.for([
  1317, 1969, 3024, 9003, 9006, 1044, 1045, 1142, 1205, 1213, 1062, 1064, 1290, 45_027, 45_037,
  -111,
])('does not take %i for unavailability', (errno) => {
  expect(kindsOf(serverError(errno))).toEqual([false, false, false]);
});

test.for(['PROTOCOL_SEQUENCE_TIMEOUT', 'XECONNRESET', 'ECONNRESETX', 'Pool is closed.'])(
  'does not take %s for unavailability',
  (code) => {
    expect(kindsOf(Object.assign(new Error(code), { code }))).toEqual([false, false, false]);
  },
);

test('looks into what an error was made of', () => {
  const wrapped = new Error('Failed query', { cause: serverError(1927) });

  expect(kindsOf(wrapped)).toEqual([true, false, true]);
});
