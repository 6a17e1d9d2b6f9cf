import { type Answered, isAnswered, type Operation } from './operation.ts';

/** What a read may have a right to see. */
export type Guarantee = 'own writes' | 'monotonic reads' | 'now';

/** A read that returned less than it had to. */
export interface Violation {
  readonly guarantee: Guarantee;
  readonly read: Answered;
  /** What had shown the newest version that the read had to see, and was over when the read began. */
  readonly missed: Answered;
}

/**
 * Checks all that happened, in whatever order it is told. One operation comes before another if it ended before the other
 * began; of two that ran at the same time, neither owes the other anything. A read is held to what it missed most.
 */
export function findViolations(history: readonly Operation[]): Violation[] {
  const answered = history.filter(isAnswered);
  const reads = answered.filter(({ kind }) => kind === 'read');
  const writes = answered.filter(({ kind }) => kind === 'write');
  const readsOfNow = reads.filter(({ after }) => after === 'now');
  return [
    ...findOlder('own writes', writes, reads, sessionAndKey),
    ...findOlder('monotonic reads', reads, reads, sessionAndKey),
    ...findOlder('now', writes, readsOfNow, ({ key }) => key),
  ];
}

/** The reads that returned less than an operation before them, of those that have a name in common with them. */
function findOlder(
  guarantee: Guarantee,
  operations: readonly Answered[],
  reads: readonly Answered[],
  nameOf: (operation: Operation) => string,
): Violation[] {
  const violations: Violation[] = [];
  const byEnd = operations.toSorted((one, other) => one.end - other.end);
  const newest = new Map<string, Answered>();
  let over = 0;
  for (const read of reads.toSorted((one, other) => one.start - other.start)) {
    for (let next = byEnd[over]; next && next.end < read.start; next = byEnd[++over]) {
      const name = nameOf(next);
      const known = newest.get(name);
      if (known === undefined || known.version < next.version) newest.set(name, next);
    }
    const missed = newest.get(nameOf(read));
    if (missed && missed.version > read.version) violations.push({ guarantee, read, missed });
  }
  return violations;
}

function sessionAndKey({ session, key }: Operation): string {
  return JSON.stringify([session, key]);
}
