/** What the service promises, and what is checked all the time. */
export type Invariant =
  | 'nothing committed is missing'
  | 'what may be wrong is told'
  | 'nothing of another run'
  | 'none skipped or repeated'
  | 'nothing incomplete'
  | 'nothing committed is lost'
  | 'a session never goes back'
  | 'a session sees its own writes'
  | 'a session sees nothing of a stray'
  | 'each answer is there in time'
  | 'no answer but those that are meant'
  | 'the budget is kept'
  | 'the service lives'
  | 'the service recovers'
  | 'nothing is left behind';

/** An invariant did not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;
  readonly expected: string;
  readonly seen: string;
  /** What whoever saw it had asked and been told before, oldest first. */
  readonly history: readonly string[];

  constructor(
    invariant: Invariant,
    expected: string,
    seen: string,
    history: readonly string[] = [],
  ) {
    super(`${invariant}: expected ${expected}, saw ${seen}`);
    this.invariant = invariant;
    this.expected = expected;
    this.seen = seen;
    this.history = history;
  }
}
