let started = 0;

/** Numbers a query whose answer several reads may share. The first one has 1. */
export function numberQuery(): number {
  return ++started;
}

/** For a read to remember when it starts: which shared queries start later than it does, whatever clocks say. */
export function countQueries(): number {
  return started;
}
