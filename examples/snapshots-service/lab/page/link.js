/** @import { LabState } from '../lab-state.ts' */
/** @import { LabSettings } from '../settings.ts' */

/** @type {readonly (keyof LabSettings)[]} */
const SETTINGS = ['lagMs', 'paused', 'retryMinMs', 'retryMaxMs', 'pollsPerSecond', 'runners'];

/**
 * All that a link says: the settings that are not as they are at first, the scene, and what the page shows of it.
 *
 * @typedef {{ settings: Partial<LabSettings>, scene: string | null, lane: string | null, skipHits: boolean }} Link
 */

/**
 * Reads the link of this page. The server judges what it says.
 *
 * @returns {Link | undefined} `undefined` when it says nothing
 */
export function readLink() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (said.size === 0) return undefined;
  /** @type {Record<string, unknown>} */
  const settings = {};
  for (const name of SETTINGS) {
    const value = said.get(name);
    if (value) settings[name] = name === 'paused' ? value === 'true' : Number(value);
  }
  return {
    settings,
    scene: said.get('scene'),
    lane: said.get('lane'),
    skipHits: said.get('skipHits') === 'true',
  };
}

/**
 * Keeps the link of this page as all is now, so that it can be copied, and a reload changes nothing.
 *
 * @param {LabState} state
 * @param {{ lane: string, skipHits: boolean }} view
 */
export function writeLink({ settings, defaults, playing }, { lane, skipHits }) {
  // What a scene sets will be put back.
  const said = playing === null ? new URLSearchParams() : keepSettings();
  for (const name of playing === null ? SETTINGS : []) {
    if (settings[name] !== defaults[name]) said.set(name, String(settings[name]));
  }
  if (playing !== null) said.set('scene', playing.name);
  if (lane !== 'catch-up') said.set('lane', lane);
  if (skipHits) said.set('skipHits', 'true');
  const hash = said.size === 0 ? '' : `#${said}`;
  if (hash === location.hash) return;
  history.replaceState(null, '', hash === '' ? location.pathname + location.search : hash);
}

function keepSettings() {
  const before = new URLSearchParams(location.hash.slice(1));
  const said = new URLSearchParams();
  for (const name of SETTINGS) {
    const value = before.get(name);
    if (value !== null) said.set(name, value);
  }
  return said;
}
