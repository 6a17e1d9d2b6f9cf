/** What was asked for is not possible now. The message says why, and is for whoever asked. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}
