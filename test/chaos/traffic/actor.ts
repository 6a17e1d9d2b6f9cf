/** Somebody who asks the service again and again. */
export interface Actor {
  /** Asks once. Resolves with whether the service could answer, and rejects with a violation. */
  step(): Promise<boolean>;
  /** The longest time before the next one, in milliseconds. */
  readonly pauseMs: number;
}
