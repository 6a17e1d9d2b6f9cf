/** @import { LabState, PlayedScene } from '../lab-state.ts' */
import { byId, make, setText } from './dom.js';
import { formatCount } from './format.js';

const WELCOME = 'Then see who lies, who waits, and who hammers the primary.';
const NO_RUNNERS = 'There are no runners, so nobody reads. Set some under “Reads”.';
const ENDS = { finished: 'has ended', stopped: 'was stopped', failed: 'failed' };
const AFTER = {
  finished: 'All is as it was before. What came of its polls:',
  stopped: 'All is as it was before. What came of its polls:',
  failed: 'The service has logged why. What came of its polls:',
};

/**
 * Above the lanes: what is to be seen just now, and what a scene has come to.
 *
 * @param {() => void} onStop - hears that somebody wants the scene to end
 * @param {(text: string) => void} announce
 * @returns {(state: LabState) => void} shows a state
 */
export function showCaption(onStop, announce) {
  const title = byId('caption-title', HTMLElement);
  const text = byId('caption-text', HTMLElement);
  const tally = byId('caption-tally', HTMLElement);
  const stop = byId('stop', HTMLButtonElement);
  stop.addEventListener('click', onStop);
  let announced = '';

  return ({ playing, played, settings, lanes, obstacles }) => {
    const invitation =
      obstacles.standby === null ? 'Press a scene, or set the lag yourself.' : 'Press a scene.';
    const idle =
      obstacles.traffic ?? (settings.runners === 0 ? NO_RUNNERS : `${invitation} ${WELCOME}`);
    const [headline, says] =
      playing !== null
        ? [`${playing.title}: step ${playing.step} of ${playing.steps}`, playing.says]
        : played === null
          ? ['', idle]
          : [`${played.title} ${ENDS[played.end]}`, AFTER[played.end]];
    setText(title, headline);
    setText(text, says);
    const isPressed = document.activeElement === stop;
    stop.hidden = playing === null;
    if (isPressed && played !== null && stop.hidden) {
      byId(`scene-${played.name}`, HTMLElement).focus();
    }
    tally.hidden = playing !== null || played === null;
    if (!tally.hidden && played !== null) tellTally(tally, played, lanes);
    const news = `${headline}. ${says}`;
    if (headline !== '' && news !== announced) announce(news);
    announced = news;
  };
}

/**
 * @param {HTMLElement} list
 * @param {PlayedScene} played
 * @param {LabState['lanes']} lanes
 */
function tellTally(list, { tally }, lanes) {
  const items = lanes.map(({ name, title }) => {
    const { polls, wrong, onPrimary } = tally[name];
    const counts = `${formatCount(wrong)} wrong, ${formatCount(onPrimary)} on the primary`;
    return make('li', {}, make('b', {}, title), ` ${counts}, of ${formatCount(polls)}`);
  });
  const told = items.map(({ textContent }) => textContent).join();
  if (list.dataset['told'] === told) return;
  list.dataset['told'] = told;
  list.replaceChildren(...items);
}
