/** A snapshot was to be added to a run that does not exist. */
export class RunNotFoundError extends Error {
  override readonly name = 'RunNotFoundError';

  constructor(runId: string) {
    super(`There is no run "${runId}".`);
  }
}
