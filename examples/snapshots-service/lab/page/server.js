/** @import { LabState } from '../lab-state.ts' */

/** How long a request may take: a browser that has no connection to spare lets it wait for ever. */
const TIMEOUT_MS = 10_000;
const TIMED_OUT =
  'The server has not answered for 10 seconds. Six windows with the lab take all connections of a browser.';

/**
 * Sends something to the server, as JSON, and perhaps twice: it may be nothing that counts.
 *
 * @param {'PATCH' | 'POST'} method
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<LabState>}
 * @throws {Error} with a message for humans, when the server refuses or does not answer
 */
export async function send(method, path, body) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const ask = () =>
    fetch(path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
  // Browsers break off what is under way when the network changes, and it does with each container that starts.
  const response = await ask()
    .catch(ask)
    .catch((cause) => {
      throw new Error(signal.aborted ? TIMED_OUT : 'The server does not answer.', { cause });
    });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Error(answer.detail ?? `The server answered ${response.status}.`);
}
