/** A read or a write of one key, as the session saw it that made it. */
export interface Operation {
  readonly session: string;
  readonly key: string;
  readonly kind: 'read' | 'write';
  /** What was read or written: each write of a key makes a higher one. `undefined` if it failed, and so was perhaps written. */
  readonly version: number | undefined;
  /** On the clock of `performance.now()`: before the operation was called. */
  readonly start: number;
  /** When its answer was there. */
  readonly end: number;
  /** The address of the standby that gave the version, or the primary. `undefined` if the operation failed. */
  readonly servedBy: string | undefined;
  /** That a read has to see all that was committed before it began. */
  readonly after?: 'now';
}

/** One that did not fail. */
export interface Answered extends Operation {
  readonly version: number;
}

export function isAnswered(operation: Operation): operation is Answered {
  return operation.version !== undefined;
}
