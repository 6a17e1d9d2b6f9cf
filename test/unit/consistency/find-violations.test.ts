import { describe, expect, test } from 'vitest';
import { findViolations } from '../../support/consistency/find-violations.ts';
import type { Operation } from '../../support/consistency/operation.ts';

/** An operation of session `s` on key `k`, which lasts from the first moment to the second. */
function operation(
  kind: Operation['kind'],
  version: number | undefined,
  [start, end]: readonly [number, number],
  more: Partial<Operation> = {},
): Operation {
  return { session: 's', key: 'k', kind, version, start, end, servedBy: 'primary', ...more };
}

type Rest = Parameters<typeof operation> extends [unknown, ...infer Others] ? Others : never;
const write = (...rest: Rest) => operation('write', ...rest);
const read = (...rest: Rest) => operation('read', ...rest);

describe('own writes', () => {
  test('have to be seen by a later read of the session', () => {
    const missed = write(2, [0, 1]);
    const late = read(1, [2, 3]);
    expect(findViolations([missed, late])).toEqual([
      { guarantee: 'own writes', read: late, missed },
    ]);
  });

  test('are seen in a newer version, too', () => {
    expect(findViolations([write(2, [0, 1]), read(2, [2, 3]), read(5, [4, 5])])).toEqual([]);
  });

  test('have to be seen also when an older one was acknowledged after them', () => {
    const missed = write(3, [0, 1]);
    const late = read(2, [6, 7]);
    expect(findViolations([missed, write(2, [0, 5]), late])).toEqual([
      { guarantee: 'own writes', read: late, missed },
    ]);
  });

  test('of a row that has gone from the answer are missed', () => {
    expect(findViolations([write(1, [0, 1]), read(0, [2, 3])])).toMatchObject([
      { guarantee: 'own writes' },
    ]);
  });

  test('are nothing to other sessions and other keys', () => {
    expect(
      findViolations([
        write(2, [0, 1]),
        read(1, [2, 3], { session: 'other' }),
        read(1, [2, 3], { key: 'other' }),
        read(1, [2, 3], { session: 'sk', key: '' }),
      ]),
    ).toEqual([]);
  });
});

describe('reads', () => {
  test('must not go back in a session', () => {
    const missed = read(2, [0, 1], { servedBy: 'one' });
    const late = read(1, [2, 3], { servedBy: 'other' });
    expect(findViolations([missed, late])).toEqual([
      { guarantee: 'monotonic reads', read: late, missed },
    ]);
  });

  test('must not go back behind any earlier one, and each that does is one violation', () => {
    const newest = read(3, [2, 3]);
    const history = [read(1, [0, 1]), newest, read(2, [4, 5]), read(2, [6, 7])];
    expect(findViolations(history)).toMatchObject([
      { guarantee: 'monotonic reads', read: { start: 4 }, missed: newest },
      { guarantee: 'monotonic reads', read: { start: 6 }, missed: newest },
    ]);
  });

  test('may show what other sessions have not seen for long', () => {
    expect(findViolations([read(2, [0, 1]), read(1, [2, 3], { session: 'other' })])).toEqual([]);
  });

  test("after 'now' have to see what any session wrote before", () => {
    const missed = write(2, [0, 1], { session: 'other' });
    const late = read(1, [2, 3], { after: 'now' });
    expect(findViolations([missed, late])).toEqual([{ guarantee: 'now', read: late, missed }]);
  });

  test("after 'now' need not see what others wrote to another key", () => {
    const elsewhere = write(2, [0, 1], { session: 'other', key: 'other' });
    expect(findViolations([elsewhere, read(1, [2, 3], { after: 'now' })])).toEqual([]);
  });

  test("that are not after 'now' need not see what other sessions wrote", () => {
    expect(findViolations([write(2, [0, 1], { session: 'other' }), read(1, [2, 3])])).toEqual([]);
  });

  test('may break two promises at once', () => {
    const history = [write(2, [0, 1]), read(1, [2, 3], { after: 'now' })];
    expect(findViolations(history).map(({ guarantee }) => guarantee)).toEqual([
      'own writes',
      'now',
    ]);
  });
});

describe('of operations at the same time', () => {
  test.for([
    { moments: 'overlap', later: [1, 4] },
    { moments: 'meet', later: [2, 4] },
    { moments: 'are the same', later: [0, 2] },
  ] as const)('a read owes nothing when they $moments', ({ later }) => {
    const history = [write(3, [0, 2]), read(2, [0, 2]), read(1, later, { after: 'now' })];
    expect(findViolations(history)).toEqual([]);
  });

  test('each counts from when it has ended', () => {
    const history = [read(3, [0, 9]), read(2, [1, 3]), read(1, [4, 8]), read(1, [10, 11])];
    expect(findViolations(history)).toMatchObject([
      { read: { start: 4 }, missed: { start: 1 } },
      { read: { start: 10 }, missed: { start: 0 } },
    ]);
  });

  test('those that take no time are one after the other', () => {
    expect(findViolations([write(2, [1, 1]), read(1, [2, 2])])).toMatchObject([
      { guarantee: 'own writes' },
    ]);
  });
});

describe('an operation that failed', () => {
  test('as a write need not be seen, and may be', () => {
    const failed = write(undefined, [0, 1]);
    for (const version of [1, 2]) {
      expect(findViolations([failed, read(version, [2, 3], { after: 'now' })])).toEqual([]);
    }
  });

  test('as a write that was seen once has to be seen from then on', () => {
    const failed = write(undefined, [0, 1]);
    expect(findViolations([failed, read(2, [2, 3]), read(1, [4, 5])])).toMatchObject([
      { guarantee: 'monotonic reads' },
    ]);
  });

  test('as a write does not hide one that has to be seen', () => {
    const history = [write(undefined, [0, 1]), write(2, [2, 3]), read(1, [4, 5])];
    expect(findViolations(history)).toMatchObject([{ guarantee: 'own writes' }]);
  });

  test('as a read shows nothing, and misses nothing', () => {
    const failed = read(undefined, [2, 3], { after: 'now' });
    expect(findViolations([write(2, [0, 1]), failed, read(2, [4, 5])])).toEqual([]);
  });
});

test('finds the same violations in whatever order a history is told', () => {
  const history = [write(2, [0, 1]), read(3, [2, 3]), read(1, [4, 5]), read(2, [6, 7])];
  const violations = findViolations(history);
  expect(violations.map(({ guarantee, read: { start } }) => [guarantee, start])).toEqual([
    ['own writes', 4],
    ['monotonic reads', 4],
    ['monotonic reads', 6],
  ]);
  expect(findViolations(history.toReversed())).toEqual(violations);
  expect(findViolations([])).toEqual([]);
});
