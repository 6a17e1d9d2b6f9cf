/** @import { Recording } from '../record-scenes.ts' */
/** @import { StreamListener } from './stream.js' */

/**
 * Plays what was recorded, as if a server told it just now. No server has to run for that.
 *
 * @param {string} first - the scene to begin with
 * @param {StreamListener} listener
 * @param {() => void} onEnd
 */
export function createRecording(first, { onState, onNews, onLost }, onEnd) {
  /** @type {Recording} */
  let events = [];
  let next = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** Counts up, so that what was asked for before is not played after it. */
  let turn = 0;

  const close = () => {
    turn += 1;
    clearTimeout(timer);
  };
  const open = () => {
    close();
    const start = performance.now() - (events[next]?.ms ?? 0);
    const tellOnTime = () => {
      tell(performance.now() - start);
      const event = events[next];
      if (event !== undefined) timer = setTimeout(tellOnTime, start + event.ms - performance.now());
    };
    if (events.length > 0) tellOnTime();
    else void play(first).catch(onLost);
  };
  /** @param {number} until - milliseconds from the beginning */
  const tell = (until) => {
    for (let event; (event = events[next]) !== undefined && event.ms <= until; next += 1) {
      if ('state' in event) onState(event.state);
      else onNews(event.news, next <= 1);
    }
    if (next === events.length) onEnd();
  };
  /** @param {string} name */
  const play = async (name) => {
    close();
    const mine = turn;
    const response = await fetch(`lab/recordings/${name}.json`);
    if (!response.ok)
      throw new Error(`The recording is not there: the server says ${response.status}.`);
    const recording = await response.json();
    if (mine !== turn) return;
    events = recording;
    next = 0;
    open();
  };
  return {
    open,
    close,
    play,
    /** Goes to the end. */
    stop() {
      close();
      tell(Infinity);
    },
  };
}
