import { sql } from 'kysely';
import {
  anyOf,
  attempted,
  InvalidOptionError,
  type IsMiss,
  noRow,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { connectionLost, replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { isAMiss } from '../support/is-a-miss.ts';

const value = (given: unknown) => async () => given;
const error = (given: unknown) => async () => {
  throw given;
};

const db = dummyKysely();
const noResultError = await db
  .selectFrom('orders')
  .selectAll()
  .executeTakeFirstOrThrow()
  .catch((reason: unknown) => reason);
const emptyResult = await sql`select`.execute(db);

class NotFoundError extends Error {}
class OrderNotFoundError extends NotFoundError {}
abstract class AbstractError extends Error {
  abstract readonly id: string;
}
class ConcreteError extends AbstractError {
  readonly id = 'o1';
}

/** The classifier's name, the answer in words, the classifier and the answer. */
type Row = [string, string, IsMiss<never>, () => Promise<unknown>];

test.for<Row>([
  ['noRow', 'undefined', noRow, value(undefined)],
  ['noRow', 'null', noRow, value(null)],
  ['noRow', "Kysely's NoResultError", noRow, error(noResultError)],
  [
    'noRow',
    'the NoResultError of another copy of Kysely',
    noRow,
    error(Object.assign(new Error('no result'), { node: {} })),
  ],
  ['noRows', 'an empty array', noRows, value([])],
  ['noRows', '{ rows: [] }', noRows, value({ rows: [] })],
  ['noRows', 'the result of a raw `sql` without rows', noRows, value(emptyResult)],
  ['returned', 'a value that its predicate picks', returned(() => true), value(undefined)],
  ['thrown', 'an error of its class', thrown(NotFoundError), error(new NotFoundError())],
  ['thrown', 'an error of a subclass', thrown(NotFoundError), error(new OrderNotFoundError())],
  ['thrown', 'an error of an abstract class', thrown(AbstractError), error(new ConcreteError())],
  ['thrown', 'a RangeError, when given Error,', thrown(Error), error(new RangeError())],
  ['thrown', 'an error that its predicate picks', thrown((reason) => reason === 404), error(404)],
])('%s takes %s for a miss', async ([_name, _what, isMiss, answers]) => {
  expect(await isAMiss(isMiss, answers)).toBe(true);
});

test.for<Row>([
  ['noRow', 'an empty array', noRow, value([])],
  ['noRow', '{ rows: [] }', noRow, value({ rows: [] })],
  ['noRow', 'a NoResultError that is returned', noRow, value(noResultError)],
  ['noRow', 'a thrown undefined', noRow, error(undefined)],
  ['noRow', 'an Error with its message alone', noRow, error(new Error('no result'))],
  ['noRow', 'another Error with a node', noRow, error(Object.assign(new Error(), { node: {} }))],
  ['noRow', 'an object like its error', noRow, error({ message: 'no result', node: {} })],
  ['noRows', 'an array that is not empty', noRows, value([undefined])],
  ['noRows', 'rows that are not empty', noRows, value({ rows: [{}] })],
  ['noRows', 'rows that are undefined', noRows, value({ rows: undefined })],
  ['noRows', 'rows that are an empty string', noRows, value({ rows: '' })],
  ['noRows', 'an empty string', noRows, value('')],
  ['noRows', 'undefined', noRows, value(undefined)],
  ['noRows', 'null', noRows, value(null)],
  ['noRows', 'a thrown array', noRows, error([])],
  ['noRows', "Kysely's NoResultError", noRows, error(noResultError)],
  ['returned', 'a value that its predicate leaves', returned(() => false), value(undefined)],
  ['returned', 'an error', returned(() => true), error(undefined)],
  ['thrown', 'an error of another class', thrown(NotFoundError), error(new Error('other'))],
  ['thrown', 'an error that is returned', thrown(NotFoundError), value(new NotFoundError())],
  ['thrown', 'a value, whatever its predicate says,', thrown(() => true), value(undefined)],
  ['thrown', 'an error that its predicate leaves', thrown(() => false), error(new Error('other'))],
  ['anyOf', 'anything, when given no classifiers,', anyOf<unknown>(), value(undefined)],
])('%s does not take %s for a miss', async ([_name, _what, isMiss, answers]) => {
  expect(await isAMiss(isMiss, answers)).toBe(false);
});

test('returned hands the very value to its predicate', async () => {
  const order = { version: 1 };
  const seen: unknown[] = [];

  await isAMiss(
    returned((given: unknown) => seen.push(given) === 0),
    value(order),
  );

  expect(seen).toEqual([order]);
  expect(seen[0]).toBe(order);
});

test('anyOf asks in order, until one says yes', async () => {
  const asked: string[] = [];
  const says = (name: string, answer: boolean) => () => {
    asked.push(name);
    return answer;
  };

  const isMiss = anyOf(
    says('a', false),
    returned(says('b', false)),
    attempted(says('c', true)),
    says('d', true),
  );

  expect(await isAMiss(isMiss, value(1))).toBe(true);
  expect(asked).toEqual(['a', 'b', 'c', 'a', 'b', 'c']); // about the replica's answer, then about the primary's
});

test('anyOf says no when all of its classifiers do', async () => {
  expect(await isAMiss(anyOf(noRow, noRows, thrown(NotFoundError)), value(0))).toBe(false);
});

test.for<[string, unknown[]]>([
  ['a classifier of misses with one of errors', [noRow, replicaUnavailable]],
  ['the same the other way round, beside a function', [connectionLost, () => true, thrown(Error)]],
  ['undefined', [noRow, undefined]],
  ['a list of classifiers', [[noRow, noRows]]],
])('anyOf refuses %s', ([, classifiers]) => {
  expect(() => anyOf(...(classifiers as never[]))).toThrow(InvalidOptionError);
});

test.for<[string, object]>([
  ['isMiss', { isMiss: replicaUnavailable }],
  ['isMiss', { isMiss: anyOf(connectionLost, () => true) }],
  ['isUnavailable', { isUnavailable: noRow }],
  ['isUnavailable', { isUnavailable: thrown(Error) }],
  ['isUnavailable', { isUnavailable: anyOf(thrown(Error), () => true) }],
])('`%s` refuses a classifier that would never match', async ([option, options]) => {
  const read = withReplicaFallback(async () => 1, { primary: {}, replica: {}, ...options });

  await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option });
});
