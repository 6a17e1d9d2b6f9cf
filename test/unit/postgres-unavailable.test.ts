import { runInNewContext } from 'node:vm';
import {
  connectionLost,
  recoveryConflict,
  replicaUnavailable,
  schemaBehind,
} from 'kysely-replica-fallback/postgres';
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

test.for([undefined, null, 'ECONNREFUSED', 57, {}, { code: 'ECONNREFUSED' }, { message: 57 }])(
  'takes %o for no error of a server',
  (thrown) => {
    expect(replicaUnavailable(thrown)).toBe(false);
  },
);

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
])('takes %s for a lost connection', (code) => {
  const error = Object.assign(new Error('…'), { code });
  const kinds = [connectionLost, recoveryConflict, schemaBehind].map((isOne) => isOne(error));
  expect(kinds).toEqual([true, false, false]);
});

test.for(['57014', '57P04', '53000', '08', '1008006', '40001', '40P01', '23505', '25006'])(
  'does not take %s for unavailability',
  (code) => {
    expect(replicaUnavailable(Object.assign(new Error('…'), { code }))).toBe(false);
  },
);
