/** @import { LabState } from '../lab-state.ts' */
/** @import { LabSettings } from '../settings.ts' */
import { byId, setText, showText } from './dom.js';
import { formatSetting } from './format.js';
import { send } from './server.js';

const WAITS = [0, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000];

/** What each slider can be set to: close together where a little makes a difference. */
const STOPS = {
  lagMs: [...WAITS, 2500, 3000, 4000, 5000],
  retryMinMs: WAITS,
  retryMaxMs: WAITS,
  runners: Array.from({ length: 21 }, (_, count) => count),
  pollsPerSecond: [0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20],
};

/** @type {(keyof typeof STOPS)[]} */
const SLIDERS = ['lagMs', 'retryMinMs', 'retryMaxMs', 'runners', 'pollsPerSecond'];
/** @type {('paused' | 'fallback' | 'catchUp')[]} */
const SWITCHES = ['paused', 'fallback', 'catchUp'];

/**
 * The controls. What somebody sets is sent at once, one change after the other.
 *
 * @param {(state: LabState) => void} onState - hears of the state after each change
 * @returns {(state: LabState) => void} shows a state
 */
export function showControls(onState) {
  const error = byId('controls-error', HTMLElement);
  /** @type {Partial<LabSettings>} */
  let waiting = {};
  /** @type {Partial<LabSettings>} */
  let underWay = {};

  const sendAll = async () => {
    while (Object.keys(waiting).length > 0) {
      underWay = waiting;
      waiting = {};
      try {
        onState(await send('PATCH', '/lab/settings', underWay));
      } catch (problem) {
        showText(error, problem instanceof Error ? problem.message : String(problem));
      }
    }
    underWay = {};
    if (latest !== undefined) show(latest);
  };
  /** @param {Partial<LabSettings>} patch */
  const set = (patch) => {
    const isSending = Object.keys({ ...waiting, ...underWay }).length > 0;
    waiting = { ...waiting, ...patch };
    if (latest !== undefined) show(latest);
    if (!isSending) void sendAll();
  };

  for (const name of SLIDERS) {
    const slider = byId(name, HTMLInputElement);
    slider.min = '0';
    slider.max = String(STOPS[name].length - 1);
    slider.addEventListener('input', () => {
      const value = STOPS[name][slider.valueAsNumber] ?? 0;
      const { retryMinMs = 0, retryMaxMs = 0 } = { ...latest?.settings, ...underWay, ...waiting };
      // One end of the window pushes the other.
      if (name === 'retryMinMs')
        set({ retryMinMs: value, retryMaxMs: Math.max(value, retryMaxMs) });
      else if (name === 'retryMaxMs')
        set({ retryMaxMs: value, retryMinMs: Math.min(value, retryMinMs) });
      else set({ [name]: value });
    });
  }
  for (const name of SWITCHES) {
    const input = byId(name, HTMLInputElement);
    input.addEventListener('change', () => set({ [name]: input.checked }));
  }

  /** @type {LabState | undefined} */
  let latest;
  /** @param {LabState} state */
  const show = (state) => {
    latest = state;
    const settings = { ...state.settings, ...underWay, ...waiting };
    for (const name of SLIDERS) {
      const slider = byId(name, HTMLInputElement);
      const text = formatValue(name, settings[name]);
      slider.value = String(nearest(STOPS[name], settings[name]));
      slider.ariaValueText = text;
      setText(byId(`${name}-value`, HTMLElement), text);
    }
    for (const name of SWITCHES) byId(name, HTMLInputElement).checked = settings[name];
    byId('retryMinMs', HTMLInputElement).disabled = settings.catchUp; // only random waits have a shortest
    const isPausing = settings.paused && !state.settings.paused;
    setText(
      byId('paused-note', HTMLElement),
      isPausing ? 'when the commit held back is due…' : 'nothing new appears',
    );
    const { standby, traffic } = state.obstacles;
    byId('standby', HTMLFieldSetElement).disabled = standby !== null;
    byId('traffic', HTMLFieldSetElement).disabled = traffic !== null;
    showText(byId('standby-reason', HTMLElement), standby);
    showText(byId('traffic-reason', HTMLElement), traffic === standby ? null : traffic);
  };
  return (state) => {
    // The server answers, whatever it did before.
    showText(error, null);
    show(state);
  };
}

/**
 * @param {keyof typeof STOPS} name
 * @param {number} value
 */
function formatValue(name, value) {
  switch (name) {
    case 'lagMs':
    case 'retryMinMs':
    case 'retryMaxMs':
      return formatSetting(value);
    case 'pollsPerSecond':
      return `${value} /s`;
    case 'runners':
      return String(value);
    default:
      return name;
  }
}

/**
 * @param {readonly number[]} stops
 * @param {number} value
 */
function nearest(stops, value) {
  const distances = stops.map((stop) => Math.abs(stop - value));
  return distances.indexOf(Math.min(...distances));
}
