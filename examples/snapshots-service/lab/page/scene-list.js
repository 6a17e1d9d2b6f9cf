/** @import { LabState } from '../lab-state.ts' */
import { byId, make, setText, showText } from './dom.js';

/**
 * The buttons of the scenes.
 *
 * @param {(name: string | null) => Promise<void>} play - plays a scene, or ends the one that is playing
 * @returns {{ show: (state: LabState) => void, press: (name: string | null) => Promise<void> }}
 */
export function showScenes(play) {
  const list = byId('scenes', HTMLUListElement);
  const reason = byId('scenes-reason', HTMLElement);
  /** @type {Map<string, { item: HTMLElement, button: HTMLButtonElement, mark: HTMLElement, stop: HTMLElement }>} */
  const shown = new Map();
  /** @type {LabState | undefined} */
  let latest;

  /** @param {string | null} name */
  const press = async (name) => {
    try {
      await play(name);
      if (name !== null) byId('watch', HTMLElement).scrollIntoView({ block: 'nearest' });
    } catch (problem) {
      showText(reason, problem instanceof Error ? problem.message : String(problem));
    }
  };
  /** @param {LabState['scenes'][number]} scene */
  const add = ({ name, title, claim }) => {
    const mark = make('span', { className: 'mark', ariaHidden: 'true' });
    const stop = make('span', { className: 'visually-hidden' });
    const button = make(
      'button',
      { type: 'button', id: `scene-${name}` },
      mark,
      make('span', { className: 'title' }, stop, title),
      make('span', { className: 'claim' }, claim),
    );
    button.setAttribute('aria-describedby', reason.id);
    button.addEventListener(
      'click',
      () => void press(latest?.playing?.name === name ? null : name),
    );
    const item = make('li', {}, button);
    list.append(item);
    const scene = { item, button, mark, stop };
    shown.set(name, scene);
    return scene;
  };

  /** @param {LabState} state */
  const show = (state) => {
    latest = state;
    for (const scene of state.scenes) {
      const { item, button, mark, stop } = shown.get(scene.name) ?? add(scene);
      const isPlaying = state.playing?.name === scene.name;
      item.classList.toggle('playing', isPlaying);
      button.disabled = scene.obstacle !== null && !isPlaying;
      setText(mark, isPlaying ? '■' : '▶');
      setText(stop, isPlaying ? 'Stop the scene ' : '');
    }
    const reasons = new Set(state.scenes.map(({ obstacle }) => obstacle));
    reasons.delete(null);
    showText(reason, state.playing === null ? [...reasons].join(' ') : null);
  };
  return { show, press };
}
