/** @import { LabPoll, LaneName } from '../lab-poll.ts' */
/** @import { Sprites, Theme } from './paint.js' */
/** @import { Recent } from './recent.js' */
import uPlot from 'uplot';
import { formatMs, formatSetting } from './format.js';
import { paintHistogram } from './histogram.js';
import { kindOf } from './kinds.js';
import { ring, within, write } from './paint.js';
import { LONGEST_STEP_MS, SHOWN_MS } from './recent.js';
import { Tape } from './tape.js';

const SHOWN_S = SHOWN_MS / 1000;
/** The scale, as powers of ten of a millisecond, and where its labels are. */
const RANGE = /** @type {const} */ ([-0.7, 3.7]);
const LABELS = [0, 1, 2, 3];
/** How far from a poll a click may be, in CSS pixels. */
const REACH = 28;
/** How many polls are drawn in a frame, besides new ones: thousands would take too long. */
const MOST_AT_ONCE = 1_000;

/**
 * @typedef {object} Strip
 * @property {() => void} draw
 * @property {(poll: LabPoll) => void} add - draws a new poll
 * @property {() => void} repaint - forgets what is drawn, for `paintMore` to draw all polls again
 * @property {() => boolean} paintMore - draws as many of them as a frame has time for, and tells whether there were any
 */

/**
 * The polls of a lane by their latency, over the lag, on one logarithmic scale, and at the right edge how long those
 * took that were late. Time runs to the left.
 *
 * @param {HTMLElement} container
 * @param {Recent} recent
 * @param {object} parts
 * @param {LaneName} parts.lane
 * @param {boolean} parts.isFirst - whether it says what all of them show
 * @param {boolean} parts.isLast - whether it has the axis of time
 * @param {() => { theme: Theme, sprites: Sprites }} parts.look
 * @param {() => LabPoll | undefined} parts.selected
 * @param {(poll: LabPoll) => void} parts.onSelect
 * @returns {Strip}
 */
export function showStrip(container, recent, { lane, isFirst, isLast, look, selected, onSelect }) {
  const tape = new Tape();
  let paintedSize = '';
  /** @type {LabPoll[]} */
  let rest = [];
  const size = () => `${plot.bbox.width}×${plot.bbox.height}`;

  /** @param {number} at */
  const toSeconds = (at) => (at - recent.now) / 1000;
  /** @param {number} at */
  const toX = (at) => plot.valToPos(toSeconds(at), 'x', true);
  /** @param {number} ms */
  const toY = (ms) => plot.valToPos(toDecades(ms), 'y', true);

  /** @param {LabPoll} poll */
  const add = (poll) => {
    const kind = kindOf(poll);
    // The many plain hits lie under the few that have a story.
    tape.stamp(
      look().sprites[kind],
      poll.at,
      toY(poll.durationMs) - plot.bbox.top,
      kind === 'replica',
    );
  };
  const repaint = () => {
    paintedSize = size();
    tape.reset(plot.bbox.width, plot.bbox.height, recent.now);
    rest = [...recent.lane(lane).polls];
  };

  /** @param {uPlot} u */
  const drawBackground = ({ ctx, bbox }) => {
    const { theme } = look();
    const { top, height } = bbox;
    within(ctx, bbox, () => {
      for (const [from, to] of recent.gaps()) {
        const x = toX(from);
        ctx.fillStyle = theme.gap;
        ctx.fillRect(x, top, toX(to) - x, height);
        if (!isFirst || toX(to) - x < px(74)) continue;
        write(ctx, theme, { text: 'no answer', x: x + px(5), y: top + px(16), colour: theme.ink });
      }
      ctx.fillStyle = theme.band;
      for (const { from, to, minMs, maxMs } of windowsOf(lane, recent)) {
        const y = toY(maxMs);
        ctx.fillRect(toX(from), y, toX(to) - toX(from), Math.max(toY(minMs) - y, px(2)));
      }
      ctx.fillStyle = theme.ink;
      for (const { at } of recent.marks) ctx.fillRect(toX(at), top, px(1), height);
    });
  };

  /** @param {uPlot} u */
  const drawPolls = ({ ctx, bbox }) => {
    within(ctx, bbox, () => tape.copyTo(ctx, bbox, recent.now));
  };

  /** @param {uPlot} u */
  const drawLabels = ({ ctx, bbox }) => {
    const { left, top, width } = bbox;
    const { theme } = look();
    within(ctx, bbox, () => {
      const lagMs = recent.samples.at(-1)?.lagMs ?? null;
      if (isFirst && lagMs !== null) {
        const text = lagMs === 0 ? 'lag 0' : `lag ${formatMs(lagMs)}`;
        const y = Math.max(toY(lagMs) - px(8), top + px(14));
        write(ctx, theme, { text, x: left + width - px(8), y, colour: theme.lag, align: 'right' });
      }
      const poll = selected();
      if (poll?.lane === lane) ring(ctx, theme, toX(poll.at), toY(poll.durationMs));
    });
    const box = { left: left + width + px(6), width: px(marginOf(container) - 10) };
    paintHistogram(ctx, theme, box, recent, lane, toY);
  };

  const axis = { stroke: () => look().theme.ink, font: look().theme.font, ticks: { show: false } };
  const grid = { stroke: () => look().theme.grid, width: 1 };
  const plot = new uPlot(
    {
      ...sizeOf(container),
      padding: [6, () => marginOf(container), isLast ? 0 : 4, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [-SHOWN_S, 0] },
        y: { range: () => [...RANGE] },
      },
      axes: [
        {
          ...axis,
          grid,
          size: () => (isLast ? 22 * look().theme.scale : 0),
          gap: 2,
          space: 60,
          incrs: [5, 10],
          values: (_, splits) => splits.map((s) => (isLast ? (s === 0 ? 'now' : `${s} s`) : '')),
        },
        {
          ...axis,
          grid,
          size: () => 50 * look().theme.scale,
          gap: 4,
          splits: LABELS,
          values: (_, splits) => splits.map((decade) => formatSetting(10 ** decade)),
        },
      ],
      series: [
        {},
        { points: { show: false }, spanGaps: false, stroke: () => look().theme.lag, width: 1.5 },
      ],
      hooks: { drawClear: [drawBackground], drawAxes: [drawPolls], draw: [drawLabels] },
    },
    [[], []],
    container,
  );

  new ResizeObserver(() => plot.setSize(sizeOf(container))).observe(container);
  plot.over.addEventListener('click', ({ offsetX, offsetY }) => {
    /** @type {LabPoll | undefined} */
    let nearest;
    let reach = REACH;
    for (const poll of recent.lane(lane).polls) {
      const distance = Math.hypot(
        plot.valToPos(toSeconds(poll.at), 'x') - offsetX,
        plot.valToPos(toDecades(poll.durationMs), 'y') - offsetY,
      );
      if (distance > reach) continue;
      nearest = poll;
      reach = distance;
    }
    if (nearest !== undefined) onSelect(nearest);
  });

  return {
    add,
    repaint,
    paintMore() {
      if (paintedSize !== size()) repaint();
      const polls = rest.splice(0, MOST_AT_ONCE);
      for (const poll of polls) add(poll);
      return polls.length > 0;
    },
    draw() {
      /** @type {number[]} */
      const seconds = [];
      /** @type {(number | null)[]} */
      const lag = [];
      for (const { at, lagMs } of recent.samples) {
        const second = toSeconds(at);
        // Nothing was measured while nobody watched.
        if (second - (seconds.at(-1) ?? second) > LONGEST_STEP_MS / 1000) {
          seconds.push(second);
          lag.push(null);
        }
        seconds.push(second);
        // No lag is no line: on this scale it has no place.
        lag.push(lagMs ? toDecades(lagMs) : null);
      }
      plot.setData([seconds, lag]);
    },
  };
}

/**
 * The times that a read might wait, as they were set then. With catch-up, that is any time up to the longest.
 *
 * @param {LaneName} lane
 * @param {Recent} recent
 */
function windowsOf(lane, { samples, now }) {
  if (lane !== 'blind' && lane !== 'catch-up') return [];
  /** @type {{ from: number, to: number, minMs: number, maxMs: number }[]} */
  const windows = [];
  for (const { at, retryMinMs, retryMaxMs: maxMs } of samples) {
    if (maxMs === 0) continue;
    const minMs = lane === 'catch-up' ? maxMs : retryMinMs;
    const last = windows.at(-1);
    if (last?.minMs === minMs && last.maxMs === maxMs) last.to = at;
    else windows.push({ from: at, to: at, minMs, maxMs });
  }
  const newest = windows.at(-1);
  if (newest?.to === samples.at(-1)?.at && newest !== undefined) newest.to = now;
  return windows;
}

/**
 * A time in milliseconds on the logarithmic scale, at its edge if it is beyond.
 *
 * @param {number} ms
 */
function toDecades(ms) {
  const [least, most] = RANGE;
  return Math.min(Math.max(Math.log10(ms), least), most);
}

/** @param {number} pixels - as style sheets count them */
function px(pixels) {
  return pixels * devicePixelRatio;
}

/**
 * How wide the histogram is, in CSS pixels.
 *
 * @param {HTMLElement} container
 */
function marginOf({ clientWidth }) {
  return clientWidth < 480 ? 52 : 110;
}

/** @param {HTMLElement} container */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}
