/** The client hung up, so nobody waits for the answer any more. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

/** Aborts when the client of a request hangs up, with an error that a log can tell from others. */
export function clientGoneSignal({ signal }: Request): AbortSignal {
  const gone = new AbortController();
  const abort = (): void => gone.abort(new ClientGoneError('The client hung up.'));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return gone.signal;
}
