import * as fc from 'fast-check';
import { InvalidPositionError } from 'kysely-replica-fallback';
import { gtidCatchUp } from 'kysely-replica-fallback/mysql';
import { describe, expect, test } from 'vitest';
import { compareGtidPositions, neededFor } from '../../src/mysql/gtid-position.ts';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d';

describe('a server of MariaDB that has applied', () => {
  test.for([
    ['the same transaction', '0-1-270', '0-1-270', 'reached'],
    ['a later one', '0-1-1000', '0-1-270', 'reached'],
    ['an earlier one', '0-1-99', '0-1-270', 'behind'],
    ['each of two domains', '0-1-5.1-3-9', '1-3-9.0-1-4', 'reached'],
    ['one domain, and less of another', '0-1-5.1-3-8', '0-1-5.1-3-9', 'behind'],
    ['more domains than it has to', '0-1-5.1-3-8', '0-1-5', 'reached'],
    ['nothing of a domain', '0-1-5', '0-1-5.1-3-9', 'unknown'],
    ['nothing of one domain, and less of another', '0-1-4', '0-1-5.1-3-9', 'unknown'],
    ['less than a new primary made', '0-1-5', '0-2-6', 'behind'],
    ['as much as a new primary made, but of the old one', '0-1-6', '0-2-6', 'unknown'],
    ['more than a new primary made, but of the old one', '0-1-7', '0-2-6', 'unknown'],
    ['a later one of a domain and a server with long ids', '12-345-7', '12-345-6', 'reached'],
    ['enormous numbers', '0-1-18446744073709551615', '0-1-18446744073709551614', 'reached'],
    ['less than another may show', '0-1-5', '0-1-5~0-1-6', 'behind'],
    ['as much as another may show', '0-1-6', '0-1-5~0-1-6', 'reached'],
    ['less than it may show itself', '0-1-5~0-1-6', '0-1-6', 'behind'],
    ['as much as another counts that does not tell what it shows', '0-1-5', '0-1-5~', 'unknown'],
    ['something of MySQL', '0-1-5', `${A}.1-5`, 'unknown'],
    ['all that a new primary has, which wrote nothing yet', '0-1-5', '0-1-5_2', 'reached'],
    ['more of the old primary than the new one has', '0-1-6', '0-1-5_2', 'unknown'],
    ['what the new primary wrote since', '0-2-6', '0-1-5_2', 'reached'],
    ['less than the new primary has', '0-1-4', '0-1-5_2', 'behind'],
    ['as much, but of another one', '0-3-5', '0-1-5_2', 'unknown'],
  ] as const)('%s', ([, replayed, position, reach]) => {
    expect(compareGtidPositions(replayed, position)).toBe(reach);
  });
});

describe('a new primary of MariaDB that wrote nothing yet', () => {
  test.for([
    ['that of the old primary', '0-1-5', 'unknown'],
    ['its own, which is the same one', '0-1-5_2', 'reached'],
    ['one from when it was the primary before', '0-2-4', 'unknown'],
    ['more than it has', '0-1-6', 'behind'],
  ] as const)('has this position: %s', ([, position, reach]) => {
    expect(compareGtidPositions('0-1-5_2', position)).toBe(reach);
  });

  test('does not have the position of the one before it, which may go on', () => {
    expect(compareGtidPositions('0-2-7_3', '0-1-5_2')).toBe('unknown');
  });

  test('is asked for what the servers know', () => {
    expect(neededFor('0-1-5_2.7-1-3')).toEqual({ brand: 'mariadb', text: '0-1-5,7-1-3' });
  });
});

describe('a server of MySQL that has applied', () => {
  test.for([
    ['the same transactions', `${A}.1-77`, `${A}.1-77`, 'reached'],
    ['more', `${A}.1-78`, `${A}.1-77`, 'reached'],
    ['fewer', `${A}.1-9`, `${A}.1-77`, 'behind'],
    ['all but one', `${A}.1-9.11-77`, `${A}.1-77`, 'behind'],
    ['all, with gaps where nothing is needed', `${A}.1-9.11-77`, `${A}.3-9.20.77`, 'reached'],
    ['all, in pieces', `${A}.1-9.10-77`, `${A}.1-77`, 'reached'],
    ['those of two servers', `${A}.1-77.${B}.1-3`, `${B}.1-3.${A}.1-77`, 'reached'],
    ['nothing of a new primary', `${A}.1-77`, `${A}.1-77.${B}.1`, 'behind'],
    ['nothing of the only server', `${B}.1-77`, `${A}.1-77`, 'unknown'],
    ['those of a tag', `${A}.1-5.red.1-3`, `${A}.red.2-3`, 'reached'],
    ['those of a tag, in pieces', `${A}.1-5.red.1-3.5-7`, `${A}.red.2-3.6`, 'reached'],
    ['those of another tag', `${A}.1-5.red.1-3`, `${A}.1-5.blue.1`, 'behind'],
    ['one without a tag, but not with it', `${A}.1-5`, `${A}.1-5.red.1`, 'behind'],
    ['fewer than another may show', `${A}.1-5`, `${A}.1-5~${A}.1-6`, 'behind'],
    ['something of MariaDB', `${A}.1-5`, '0-1-5', 'unknown'],
  ] as const)('%s', ([, replayed, position, reach]) => {
    expect(compareGtidPositions(replayed, position)).toBe(reach);
  });

  test('a set that is included in its own', () => {
    const interval = fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.nat(5))
      .map(([first, more]) => ({ first, last: first + more }));
    const intervals = fc.array(interval, { minLength: 1, maxLength: 12 });

    fc.assert(
      fc.property(intervals, intervals, (has, needs) => {
        const isIncluded = [...numbersOf(needs)].every((number) => numbersOf(has).has(number));
        expect(compareGtidPositions(printed(has), printed(needs))).toBe(
          isIncluded ? 'reached' : 'behind',
        );
      }),
    );
  });
});

interface Interval {
  readonly first: number;
  readonly last: number;
}

function printed(intervals: readonly Interval[]): string {
  return `${A}.${intervals.map(({ first, last }) => `${first}-${last}`).join('.')}`;
}

function numbersOf(intervals: readonly Interval[]): Set<number> {
  return new Set(intervals.flatMap(({ first, last }) => range(first, last)));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

test.for([
  '',
  'now',
  '~',
  '~0-1-5',
  '0-1',
  '0-1-5-6',
  '0-1-5.',
  '0-1-5.0-1-6',
  '00-1-5',
  '0-1-05',
  '0-1-5~0-1-6~0-1-7',
  '0-1-5~now',
  "0-1-5'",
  '0-1-5,1-1-5',
  ' 0-1-5',
  '0-1-123456789012345678901',
  '0-1-18446744073709551616',
  '0-4294967296-5',
  '4294967296-1-5',
  A,
  `${A}.`,
  `${A}.red`,
  `${A}.red.blue.1`,
  `${A}.1-5.red`,
  `${A}.1-5.${B}`,
  `${B}.${A}.1-5`,
  `${A}.0`,
  `${A}.5-1`,
  `${A}.1-9223372036854775807`,
  `${A}.1-5.Red.1`,
  `${A}:1-5`,
  `${A.toUpperCase()}.1-5`,
  `${A}.1-5') or sleep(9`,
  `1-5.${A}`,
  `${A}.1-5.red!.1`,
  `${A}.1-5.!red.1`,
  `${A}.1-5~${A}`,
  `x${A}.1-5`,
  `${A}0.1-5`,
  `${A}.1-5.9-7`,
  `${A}.11${'.3'.repeat(1_981)}`, // 4,001 characters
])('%j is no position', (given) => {
  expect(() => compareGtidPositions(given, '0-1-5')).toThrow(InvalidPositionError);
  expect(() => compareGtidPositions('0-1-5', given)).toThrow(InvalidPositionError);
  expect(() => gtidCatchUp().validate(given)).toThrow(InvalidPositionError);
});

test('a position of 4,000 characters is the longest', () => {
  const longest = `${A}${'.3'.repeat(1_982)}`;
  expect(longest).toHaveLength(4_000);
  expect(compareGtidPositions(longest, `${A}.3`)).toBe('reached');
});

test('text of any kind is a position or none, and is soon known to be', () => {
  const pieces = fc.constantFrom(
    '0-1-5',
    '1-2-3',
    A,
    B,
    '1-5',
    '7',
    'red',
    '.',
    '~',
    '-',
    ',',
    "'",
  );
  const texts = fc.oneof(
    fc.string({ maxLength: 5_000 }),
    fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      let thrown: unknown;
      try {
        compareGtidPositions(text, text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown === undefined || thrown instanceof InvalidPositionError).toBe(true);
    }),
  );
});

test.for([
  ['4294967295-4294967295-18446744073709551615', '4294967295-4294967295-18446744073709551614'],
  [`${A}.1-9223372036854775806`, `${A}.9223372036854775806`],
] as const)('the highest numbers are those of a position, as in %s', ([replayed, position]) => {
  expect(compareGtidPositions(replayed, position)).toBe('reached');
});

test.for([
  ['0-1-5', { brand: 'mariadb', text: '0-1-5' }],
  ['1-3-9.0-1-5', { brand: 'mariadb', text: '0-1-5,1-3-9' }],
  ['0-1-5~0-1-6', { brand: 'mariadb', text: '0-1-6' }],
  ['0-1-5~', undefined],
  [`${B}.3.1-2.${A}.1-5`, { brand: 'mysql', text: `${A}:1-5,${B}:1-3` }],
  [`${A}.1-5.red.7`, { brand: 'mysql', text: `${A}:1-5,${A}:red:7` }],
] as const)('what it takes to have %s, as a server writes it', ([position, needed]) => {
  expect(neededFor(position)).toEqual(needed);
});
