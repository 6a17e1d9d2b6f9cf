import type { Kysely } from 'kysely';
import {
  anyOf,
  type Attempt,
  attempted,
  createPrimaryBudget,
  createReplicaFallback,
  type MissTest,
  noRow,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { type BaseLogger, pino } from 'pino';
import { test } from 'vitest';

interface Database {
  orders: { id: string };
}
const primary = {} as Kysely<Database>;
const replica = primary;

test('a builder that was not executed does not compile', () => {
  // @ts-expect-error a builder is not a promise
  void withReplicaFallback((db) => db.selectFrom('orders').selectAll(), { primary });
  // @ts-expect-error nor is it one for bound defaults
  void createReplicaFallback({ primary })((db) => db.selectFrom('orders').selectAll());
});

test('a table that is not in the database does not compile', () => {
  // @ts-expect-error no such table
  void withReplicaFallback((db) => db.selectFrom('invoices').execute(), { primary });
});

test('a read without a primary does not compile', () => {
  // @ts-expect-error no primary
  void withReplicaFallback(async () => 1, { replica });
  // @ts-expect-error no options
  void withReplicaFallback(async () => 1);
});

test('a replica with other tables does not compile', () => {
  const other = {} as Kysely<{ invoices: { id: string } }>;
  // @ts-expect-error no orders
  void withReplicaFallback(async () => 1, { primary, replica: other });
});

test('an option that does not exist does not compile', () => {
  // @ts-expect-error `retryMs` is meant
  void withReplicaFallback(async () => 1, { primary, retryMS: 3 });
  // @ts-expect-error `retryMs` is meant here too
  void createReplicaFallback({ primary })(async () => 1, { retryMS: 3 });
});

test('a classifier of another type does not compile', () => {
  const ofNumbers: MissTest<number> = (count) => count === 0;
  // @ts-expect-error the query gives a string
  void withReplicaFallback(async () => 'x', { primary, isMiss: ofNumbers });
  // @ts-expect-error nor as a classifier
  void withReplicaFallback(async () => 'x', { primary, isMiss: returned(ofNumbers) });
  // @ts-expect-error nor in `anyOf`
  void withReplicaFallback(async () => 'x', { primary, isMiss: anyOf(noRow, ofNumbers) });
  // @ts-expect-error nor as an override
  void createReplicaFallback({ primary })(async () => 'x', { isMiss: ofNumbers });
});

test('`noRows` compiles for lists and raw results only', () => {
  void withReplicaFallback(async () => ['x'], { primary, isMiss: noRows });
  void withReplicaFallback(async () => ({ rows: ['x'] }), { primary, isMiss: noRows });
  // @ts-expect-error a row
  void withReplicaFallback(async () => ({ id: 'x' }), { primary, isMiss: noRows });
  // @ts-expect-error a row or none
  void withReplicaFallback(async () => ['x'].at(0), { primary, isMiss: noRows });
  // @ts-expect-error a count
  void withReplicaFallback(async () => 0, { primary, isMiss: noRows });
  // @ts-expect-error a flag
  void withReplicaFallback(async () => true, { primary, isMiss: anyOf(noRow, noRows) });
  // @ts-expect-error reads of whatever kind
  createReplicaFallback({ primary, isMiss: noRows });
});

test('a function of the attempt does not compile where the value is given', () => {
  const find = async () => ({ id: 'x' });
  // @ts-expect-error a row has no `ok`
  void withReplicaFallback(find, { primary, isMiss: (attempt) => !attempt.ok });
  const wasReplica = (attempt: Attempt<unknown>) => attempt.source === 'replica';
  // @ts-expect-error `attempted` is missing
  void withReplicaFallback(find, { primary, isMiss: wasReplica });
  void withReplicaFallback(find, { primary, isMiss: attempted(wasReplica) });
});

test('a classifier that was not called, or of a classifier, does not compile', () => {
  // @ts-expect-error not called
  void withReplicaFallback(async () => 'x', { primary, isMiss: returned });
  // @ts-expect-error not called
  void withReplicaFallback(async () => 'x', { primary, isMiss: thrown });
  // @ts-expect-error a class
  void withReplicaFallback(async () => 'x', { primary, isMiss: RangeError });
  // @ts-expect-error it is one already
  returned(noRow);
  // @ts-expect-error nor is an error a row
  thrown(noRow);
});

test('a classifier of errors does not compile where attempts are classified, nor the other way round', () => {
  const query = async () => 'x';
  // @ts-expect-error it would never match
  void withReplicaFallback(query, { primary, isMiss: replicaUnavailable });
  // @ts-expect-error nor would it here
  void withReplicaFallback(query, { primary, isMiss: anyOf(noRow, replicaUnavailable) });
  // @ts-expect-error a row is no error
  void withReplicaFallback(query, { primary, isUnavailable: noRow });
  void withReplicaFallback(query, { primary, isUnavailable: replicaUnavailable });
  void withReplicaFallback(query, {
    primary,
    isUnavailable: anyOf(replicaUnavailable, (error) => error instanceof RangeError),
  });
  void withReplicaFallback(query, {
    primary,
    isUnavailable: anyOf(
      (error) => error instanceof RangeError,
      (error) => error === 1,
    ),
  });
  const isSlow = (error: unknown) => error === 'slow';
  const isEither = anyOf(isSlow, isSlow);
  void withReplicaFallback(query, { primary, isUnavailable: isEither });
});

test('a classifier that is async does not compile', () => {
  // @ts-expect-error a promise is not a boolean
  void withReplicaFallback(async () => 'x', { primary, isMiss: async () => true });
});

test('a bound of another type does not compile', () => {
  // @ts-expect-error a number of milliseconds
  void withReplicaFallback(async () => 1, { primary, replicaTimeoutMs: '500' });
  // @ts-expect-error the options of a budget are not the budget
  void withReplicaFallback(async () => 1, { primary, primaryBudget: { ratio: 0.2 } });
  // @ts-expect-error a key is a string
  void withReplicaFallback(async () => 1, { primary, operation: 'one', coalesceKey: 1 });
  // @ts-expect-error `ratio` is meant
  createPrimaryBudget({ ratios: 0.2 });
});

test('a retry delay without a `max` does not compile', () => {
  // @ts-expect-error no max
  void withReplicaFallback(async () => 1, { primary, retryMs: { min: 50 } });
});

test('a logger without `error` does not compile', () => {
  // @ts-expect-error no error
  void withReplicaFallback(async () => 1, { primary, logger: { warn: () => {} } });
});

test('a logger that takes the message last does not compile', () => {
  // @ts-expect-error pino
  void withReplicaFallback(async () => 1, { primary, logger: pino() });
  const request: Pick<BaseLogger, 'warn' | 'error' | 'silent'> = pino();
  // @ts-expect-error what Fastify takes of pino
  void withReplicaFallback(async () => 1, { primary, logger: request });
});

test('a replica is picked of those that there are', () => {
  void withReplicaFallback(async () => 1, {
    primary,
    replica: [primary],
    pickReplica: (replicas) => replicas[0],
  });
  // @ts-expect-error another client
  void withReplicaFallback(async () => 1, { primary, replica: [primary], pickReplica: () => 5 });
});
