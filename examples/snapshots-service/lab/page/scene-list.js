/** @import { LabState } from '../lab-state.ts' */
import { byId, make, setText, showText } from './dom.js';
import { send } from './server.js';

/**
 * The buttons of the scenes.
 *
 * @param {(state: LabState) => void} onState - hears of the state after each press
 * @param {(text: string) => void} announce
 * @returns {(state: LabState) => void} shows a state
 */
export function showScenes(onState, announce) {
  const list = byId('scenes', HTMLUListElement);
  const reason = byId('scenes-reason', HTMLElement);
  /** @type {Map<string, { item: HTMLElement, button: HTMLButtonElement, mark: HTMLElement, stop: HTMLElement, claim: HTMLElement }>} */
  const shown = new Map();
  /** @type {LabState | undefined} */
  let latest;

  /** @param {string} name */
  const press = async (name) => {
    const isPlaying = latest?.playing?.name === name;
    try {
      onState(await send('POST', '/lab/scene', { name: isPlaying ? null : name }));
      if (!isPlaying) byId('watch', HTMLElement).scrollIntoView({ block: 'nearest' });
    } catch (problem) {
      showText(reason, problem instanceof Error ? problem.message : String(problem));
    }
  };
  /** @param {LabState['scenes'][number]} scene */
  const add = ({ name, title, claim: text }) => {
    const mark = make('span', { className: 'mark', ariaHidden: 'true' });
    const stop = make('span', { className: 'visually-hidden' });
    const claim = make('span', { className: 'claim' }, text);
    const button = make(
      'button',
      { type: 'button', id: `scene-${name}` },
      mark,
      make('span', { className: 'title' }, stop, title),
      claim,
    );
    button.setAttribute('aria-describedby', reason.id);
    button.addEventListener('click', () => void press(name));
    const item = make('li', {}, button);
    list.append(item);
    const scene = { item, button, mark, stop, claim };
    shown.set(name, scene);
    return scene;
  };

  return (state) => {
    if (state.playing?.says && state.playing.says !== latest?.playing?.says) {
      announce(`${state.playing.title}: ${state.playing.says}`);
    }
    if (state.playing === null && latest?.playing && state.played !== null) {
      announce(`${state.played.title} has ${ENDS[state.played.end]}. All is as it was.`);
    }
    latest = state;
    for (const scene of state.scenes) {
      const { item, button, mark, stop, claim } = shown.get(scene.name) ?? add(scene);
      const isPlaying = state.playing?.name === scene.name;
      item.classList.toggle('playing', isPlaying);
      button.disabled = scene.obstacle !== null && !isPlaying;
      setText(mark, isPlaying ? '■' : '▶');
      setText(claim, (isPlaying && state.playing?.says) || scene.claim);
      setText(stop, isPlaying ? 'Stop the scene ' : '');
    }
    const reasons = new Set(state.scenes.map(({ obstacle }) => obstacle));
    reasons.delete(null);
    showText(reason, state.playing === null ? [...reasons].join(' ') : null);
  };
}

const ENDS = { finished: 'ended', stopped: 'been stopped', failed: 'failed' };
