import { processWide } from './process-wide.ts';

/** One for all copies of this package: a read of one may use what another one has asked. */
const queries = processWide('queries', () => ({ started: 0 }));

/** Numbers a query whose answer several reads may share. The first one has 1. */
export function numberQuery(): number {
  return ++queries.started;
}

/** For a read to remember when it starts: which shared queries start later than it does, whatever clocks say. */
export function countQueries(): number {
  return queries.started;
}
