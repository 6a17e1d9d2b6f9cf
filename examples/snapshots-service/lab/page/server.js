/** @import { LabState } from '../lab-state.ts' */

/** How long a request may take: a browser that has no connection to spare lets it wait for ever. */
const TIMEOUT_MS = 10_000;
const TIMED_OUT =
  'The server has not answered for 10 seconds. Six windows with the lab take all connections of a browser.';

/**
 * Sends something to the server, as JSON.
 *
 * @param {'PATCH' | 'POST'} method
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<LabState>}
 * @throws {Error} with a message for humans, when the server refuses or does not answer
 */
export async function send(method, path, body) {
  return (await request(method, path, { body })).answer;
}

/**
 * Asks the server something, and perhaps twice: it may be nothing that counts.
 *
 * @param {'GET' | 'PATCH' | 'POST'} method
 * @param {string} path
 * @param {{ body?: unknown, headers?: Record<string, string> }} [extras] - the body goes as JSON
 * @returns {Promise<{ answer: any, headers: Headers }>}
 * @throws {Error} with a message for humans, when the server refuses or does not answer
 */
export async function request(method, path, { body, headers = {} } = {}) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const init =
    body === undefined
      ? { method, headers }
      : {
          method,
          headers: { 'Content-Type': 'application/json', ...headers },
          body: JSON.stringify(body),
        };
  const ask = () => fetch(path, { ...init, signal });
  // Browsers break off what is under way when the network changes, and it does with each container that starts.
  const response = await ask()
    .catch(ask)
    .catch((cause) => {
      throw new Error(signal.aborted ? TIMED_OUT : 'The server does not answer.', { cause });
    });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return { answer, headers: response.headers };
  throw new Error(answer.detail ?? `The server answered ${response.status}.`);
}
