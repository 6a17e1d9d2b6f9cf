/** @import { LabNews } from '../lab-record.ts' */
/** @import { LabState } from '../lab-state.ts' */

/**
 * @typedef {object} StreamListener
 * @property {(state: LabState) => void} onState
 * @property {(news: LabNews, isHistory: boolean) => void} onNews
 * @property {() => void} onLost - hears it once, until there are news again
 */

/** How long the server may be silent: it tells something five times a second. */
const SILENCE_MS = 5_000;
const RETRY_MS = 1_000;

/**
 * Hears what the server tells, while it is open. An `EventSource` connects again by itself, but gives up when the
 * server refuses, and does not notice a connection that has died quietly.
 *
 * @param {StreamListener} listener
 */
export function createStream({ onState, onNews, onLost }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;
  /** @type {EventSource | undefined} */
  let current;
  const close = () => {
    current?.close();
    clearTimeout(silence);
  };
  const open = () => {
    close();
    const source = new EventSource('lab/events');
    current = source;
    const again = () => {
      close();
      onLost();
      silence = setTimeout(open, RETRY_MS);
    };
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(again, SILENCE_MS);
    };
    source.addEventListener('state', ({ data }) => onState(JSON.parse(data)));
    for (const type of ['history', 'news']) {
      source.addEventListener(type, ({ data }) => {
        alive();
        onNews(JSON.parse(data), type === 'history');
      });
    }
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) again();
      else onLost();
    });
    alive();
  };
  return { open, close };
}
