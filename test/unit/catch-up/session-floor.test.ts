import { beforeEach, expect, test } from 'vitest';
import { SessionFloor } from '../../../src/catch-up/session-floor.ts';
import { compareGtidPositions } from '../../../src/mysql/gtid-position.ts';
import { compareWalPositions } from '../../../src/postgres/wal-position.ts';
import { numberQuery } from '../../../src/shared-queries.ts';

const at = (offset: number) => `0123456789ab-${offset}`;
const takenAt = 0;
let floor: SessionFloor;
beforeEach(() => {
  floor = new SessionFloor({ compare: compareWalPositions });
});

test("'now' asks for more than what a session has seen", () => {
  floor.raise(at(3));
  expect(floor.with('now')).toBe('now');
});

test('what a session does not know asks for more than a position does', () => {
  floor.raiseToNow();
  expect(floor.with(at(3))).toBe('now');
});

test('a position that tells of more than it counts is known', () => {
  const position = '0-1-5~0-1-6';
  floor = new SessionFloor({ compare: compareGtidPositions });
  floor.raise(position);
  expect(floor).toMatchObject({ position, isKnown: true });
});

test('a position that was asked for before says nothing of what came since', () => {
  const number = numberQuery();
  floor.raiseToNow();
  floor.learn({ position: at(3), takenAt, number });
  expect(floor).toMatchObject({ position: undefined, isKnown: false });
});

test('a position of the primary has all that was raised before it was asked for', () => {
  floor.raise(at(9));
  floor.raiseToNow();
  floor.learn({ position: at(3), takenAt, number: numberQuery() }); // after a fail-over
  expect(floor).toMatchObject({ position: at(3), isKnown: true });
});

test.for([
  { raised: 9, told: 3 },
  { raised: 3, told: 9 },
])(
  'a position of the primary ($told) and one that was raised after it was asked for ($raised): the higher one counts',
  ({ raised, told }) => {
    floor.raiseToNow();
    const number = numberQuery();
    floor.raise(at(raised));
    floor.learn({ position: at(told), takenAt, number });
    expect(floor).toMatchObject({ position: at(9), isKnown: true });
  },
);

test('a position of the primary does not count when nothing is unknown', () => {
  floor.raise(at(3));
  floor.learn({ position: at(9), takenAt, number: numberQuery() });
  expect(floor.position).toBe(at(3));
});
