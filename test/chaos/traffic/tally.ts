/** How a request ended. */
export interface Ending {
  readonly status: number;
  /** The outcome of its read, as the service tells it. */
  readonly outcome: string | undefined;
  readonly durationMs: number;
}

/** What came of the requests of one kind. */
export interface Count {
  requests: number;
  /** By outcome. */
  readonly outcomes: Map<string, number>;
  readonly statuses: Map<number, number>;
  slowestMs: number;
}

/**
 * The service's own limits come to 19 seconds: two for a client of each pool, six for a query that nobody answers, eight for
 * the position of a session after that, and one in which it is blocked.
 */
const LIMITS_MS = 20_000;
/** For a machine that is busy with other things: so many times as long as the slowest answer without any fault. */
const PATIENCE = 5;

/** Counts all requests. */
export class Tally {
  /** How long an answer may take, whatever happens. */
  deadlineMs = 2 * LIMITS_MS;
  readonly kinds = new Map<string, Count>();
  /** How many reads have begun. */
  reads = 0;

  /** Sets the deadline for this machine, after a time without faults. */
  setDeadline(): void {
    const slowest = [...this.kinds.values()].map(({ slowestMs }) => slowestMs);
    this.deadlineMs = LIMITS_MS + PATIENCE * Math.max(0, ...slowest);
  }

  /** How many rows were missing because a standby answered in place of the primary. */
  excused = 0;

  begin(): void {
    this.reads++;
  }

  end(kind: string, { status, outcome, durationMs }: Ending): void {
    let count = this.kinds.get(kind);
    if (count === undefined) {
      count = { requests: 0, outcomes: new Map(), statuses: new Map(), slowestMs: 0 };
      this.kinds.set(kind, count);
    }
    count.requests++;
    if (outcome !== undefined) increment(count.outcomes, outcome);
    increment(count.statuses, status);
    count.slowestMs = Math.max(count.slowestMs, durationMs);
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
