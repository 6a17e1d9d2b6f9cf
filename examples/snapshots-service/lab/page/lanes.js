/** @import { LaneName, LabPoll } from '../lab-poll.ts' */
/** @import { LaneOnShow } from '../lanes.ts' */
/** @import { Recent } from './recent.js' */
/** @import { Strip } from './strip.js' */
import { byId, make, setText } from './dom.js';
import { formatCount, formatMs, formatShare } from './format.js';
import { drawSprites, readTheme } from './paint.js';
import { LONGEST_STEP_MS, SHOWN_MS } from './recent.js';
import { percentileOf, Stats } from './stats.js';
import { showStrip } from './strip.js';

/**
 * The lanes: in each the same polls, as one way to read answers them, and what that comes to.
 *
 * @param {Recent} recent
 * @param {object} parts
 * @param {() => LabPoll | undefined} parts.selected
 * @param {(poll: LabPoll) => void} parts.onSelect
 * @param {(lane: LaneName) => void} parts.onChoose - hears which lane somebody wants the stories of
 */
export function showLanes(recent, { selected, onSelect, onChoose }) {
  const list = byId('lanes', HTMLElement);
  let theme = readTheme();
  let sprites = drawSprites(theme);
  const look = () => ({ theme, sprites });
  /** @type {Map<LaneName, Omit<ReturnType<typeof addLane>, 'showStrip'> & { strip: Strip }>} */
  const lanes = new Map();

  /** @param {LaneOnShow} lane @param {boolean} isFirst @param {boolean} isLast */
  const addLane = ({ name, title, says }, isFirst, isLast) => {
    const choose = make('button', { type: 'button', id: `lane-${name}` }, title);
    choose.addEventListener('click', () => onChoose(name));
    const strip = make('div', { className: `strip ${isLast ? 'last' : ''}` });
    const totals = make('dl', { className: 'totals' });
    /** @param {string} term */
    const total = (term) => {
      const value = make('dd');
      totals.append(make('div', {}, make('dt', {}, term), value));
      return value;
    };
    const values = {
      wrong: total('Wrong'),
      onPrimary: total('Primary reads'),
      fromReplica: total('Right from the replica'),
      late: total('Late p50, p99'),
    };
    const head = make('div', { className: 'lane-head' }, choose, make('span', {}, says));
    list.append(make('li', {}, head, strip, totals));
    const parts = { lane: name, isFirst, isLast, look, selected, onSelect };
    return { choose, values, showStrip: () => showStrip(strip, recent, parts) };
  };

  const lookAgain = () => {
    theme = readTheme();
    sprites = drawSprites(theme);
    repaint();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', lookAgain);
  const repaint = () => {
    for (const { strip } of lanes.values()) strip.repaint();
  };

  return {
    /** @param {readonly LaneOnShow[]} shown */
    show(shown) {
      if (lanes.size > 0) return;
      // All of them are laid out once, before the first is measured.
      const added = shown.map((lane, index) => {
        return { name: lane.name, ...addLane(lane, index === 0, index === shown.length - 1) };
      });
      for (const { name, showStrip: show, ...lane } of added) {
        lanes.set(name, { ...lane, strip: show() });
      }
    },
    /** @param {LaneName} chosen */
    choose(chosen) {
      for (const [name, { choose }] of lanes) choose.ariaPressed = String(name === chosen);
    },
    /** @param {readonly LabPoll[]} polls */
    add(polls) {
      for (const poll of polls) lanes.get(poll.lane)?.strip.add(poll);
    },
    /** Paints all anew, in the next frames. */
    repaint,
    /** Goes on with that, for a frame. */
    paintMore() {
      [...lanes.values()].some(({ strip }) => strip.paintMore());
    },
    tellTotals() {
      const seconds = secondsKnown(recent);
      for (const [name, { values }] of lanes) {
        const totals = recent.lane(name).stats.since(recent.now - SHOWN_MS);
        const { polls, wrong, onPrimary, rightFromReplica } = totals;
        setText(values.wrong, `${formatCount(wrong)} of ${formatCount(polls)}`);
        values.wrong.classList.toggle('bad', wrong > 0);
        setText(values.onPrimary, polls === 0 ? '–' : `${(onPrimary / seconds).toFixed(1)} /s`);
        values.onPrimary.classList.toggle('much', onPrimary > polls / 4);
        setText(values.fromReplica, formatShare(rightFromReplica / polls));
        const times = [50, 99].map((percent) => percentileOf(totals, percent));
        setText(values.late, times.some(Number.isNaN) ? '–' : times.map(formatMs).join(', '));
      }
    },
    draw() {
      // Zoom, or another screen: uPlot minds that by itself.
      if (theme.pixelRatio !== devicePixelRatio) lookAgain();
      for (const { strip } of lanes.values()) strip.draw();
    },
  };
}

/**
 * For how many seconds of those that are counted it is known what happened: nothing was measured while nobody watched.
 *
 * @param {Recent} recent
 */
function secondsKnown({ samples, now }) {
  const counted = samples.filter(({ at }) => at >= Stats.begin(now - SHOWN_MS));
  const steps = counted.map(({ at }, index) => (counted[index + 1]?.at ?? now) - at);
  const known = steps.filter((ms) => ms <= LONGEST_STEP_MS).reduce((sum, ms) => sum + ms, 0);
  return Math.max(1, known / 1000);
}
