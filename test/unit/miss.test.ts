import { sql } from 'kysely';
import {
  anyOf,
  type Attempt,
  type MissClassifier,
  noRow,
  noRows,
  returned,
  thrown,
} from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';

const source = 'replica';
const value = <T>(given: T): Attempt<T> => ({ ok: true, value: given, source });
const error = (given: unknown): Attempt<never> => ({ ok: false, error: given, source });

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

/** The classifier's name, the attempt in words, the classifier and the attempt. */
type Row = [string, string, MissClassifier<unknown>, Attempt<unknown>];

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
])('%s takes %s for a miss', ([_name, _what, isMiss, attempt]) => {
  expect(isMiss(attempt)).toBe(true);
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
])('%s does not take %s for a miss', ([_name, _what, isMiss, attempt]) => {
  expect(isMiss(attempt)).toBe(false);
});

test('returned hands the very value to its predicate', () => {
  const order = { version: 1 };
  const seen: unknown[] = [];

  returned((given) => seen.push(given) === 0)(value(order));

  expect(seen[0]).toBe(order);
});

test('anyOf asks its classifiers in order with the attempt, until one says yes', () => {
  const asked: [string, Attempt<unknown>][] = [];
  const classifier = (name: string, answer: boolean) => (attempt: Attempt<unknown>) => {
    asked.push([name, attempt]);
    return answer;
  };
  const attempt = value(undefined);

  const isMiss = anyOf(classifier('a', false), classifier('b', true), classifier('c', true));

  expect(isMiss(attempt)).toBe(true);
  expect(asked).toEqual([
    ['a', attempt],
    ['b', attempt],
  ]);
});

test('anyOf says no when all of its classifiers do', () => {
  expect(anyOf(noRow, noRows, thrown(NotFoundError))(value(0))).toBe(false);
});
