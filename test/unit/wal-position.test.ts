import { InvalidPositionError } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { compareWalPositions } from '../../src/postgres/wal-position.ts';

const ONE = '0123456789ab';
const OTHER = 'ba9876543210';

test.for([
  ['the same position', `${ONE}-3000148`, `${ONE}-3000148`, 'reached'],
  ['a later one', `${ONE}-3000149`, `${ONE}-3000148`, 'reached'],
  ['an earlier one', `${ONE}-3000147`, `${ONE}-3000148`, 'behind'],
  ['one with more digits', `${ONE}-10000000`, `${ONE}-f000000`, 'reached'],
  ['one with fewer digits', `${ONE}-f000000`, `${ONE}-10000000`, 'behind'],
  ['one of another timeline', `${OTHER}-3000148`, `${ONE}-3000148`, 'unknown'],
  ['more, where nothing more is asked for', `${ONE}-3000148~aaaaaaaa`, `${ONE}-3000148`, 'reached'],
  ['no more, where more was seen', `${ONE}-3000148`, `${ONE}-3000148~aaaaaaaa`, 'behind'],
  ['more on the server where more was seen', `${ONE}-2~aaaaaaaa`, `${ONE}-2~aaaaaaaa`, 'reached'],
  [
    'more on another server than more was seen on',
    `${ONE}-2~bbbbbbbb`,
    `${ONE}-2~aaaaaaaa`,
    'behind',
  ],
  ['a later position than more was seen after', `${ONE}-3`, `${ONE}-2~aaaaaaaa`, 'reached'],
] as const)('a server that has replayed %s', ([, replayed, position, reach]) => {
  expect(compareWalPositions(replayed, position)).toBe(reach);
});

test.for([
  '',
  'now',
  ONE,
  `${ONE}-`,
  `${ONE}-03`,
  `${ONE}-3~`,
  `${ONE}-3~aaaaaaa`,
  `${ONE}-3~AAAAAAAA`,
  ` ${ONE}-3`,
])('%j is no position', (given) => {
  expect(() => compareWalPositions(given, `${ONE}-3`)).toThrow(InvalidPositionError);
  expect(() => compareWalPositions(`${ONE}-3`, given)).toThrow(InvalidPositionError);
});
