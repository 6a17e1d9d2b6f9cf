/** @import { LabState } from '../lab-state.ts' */
/** @import { LabSettings } from '../settings.ts' */
import { byId, setText, showText } from './dom.js';
import { formatSetting } from './format.js';

const WAITS = [0, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000];

/** What each slider can be set to: close together where a little makes a difference. */
const STOPS = {
  lagMs: [...WAITS, 2500, 3000, 4000, 5000],
  retryMinMs: WAITS,
  retryMaxMs: WAITS,
  runners: Array.from({ length: 21 }, (_, count) => count),
  pollsPerSecond: [0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10],
};

/** @type {(keyof typeof STOPS)[]} */
const SLIDERS = ['lagMs', 'retryMinMs', 'retryMaxMs', 'runners', 'pollsPerSecond'];

/**
 * The controls. What somebody sets is sent at once, one change after the other.
 *
 * @param {(patch: Partial<LabSettings>) => Promise<void>} change
 * @returns what shows a state, and what sets something else
 */
export function showControls(change) {
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
        await change(underWay);
      } catch (problem) {
        showText(error, problem instanceof Error ? problem.message : String(problem));
      }
    }
    underWay = {};
    if (latest !== undefined) show(latest);
  };
  /** @param {Partial<LabSettings>} patch */
  const set = async (patch) => {
    const isSending = Object.keys({ ...waiting, ...underWay }).length > 0;
    waiting = { ...waiting, ...patch };
    if (latest !== undefined) show(latest);
    if (!isSending) await sendAll();
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
        void set({ retryMinMs: value, retryMaxMs: Math.max(value, retryMaxMs) });
      else if (name === 'retryMaxMs')
        void set({ retryMaxMs: value, retryMinMs: Math.min(value, retryMinMs) });
      else void set({ [name]: value });
    });
  }
  const paused = byId('paused', HTMLInputElement);
  paused.addEventListener('change', () => void set({ paused: paused.checked }));

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
    paused.checked = settings.paused;
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
  return {
    /** @param {LabState} state */
    show(state) {
      // The server answers, whatever it did before.
      showText(error, null);
      show(state);
    },
    set,
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
