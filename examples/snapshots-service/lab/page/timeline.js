/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { LabSettings } from '../settings.ts' */
/** @import { Recent } from './recent.js' */
import uPlot from 'uplot';
import { byId } from './dom.js';
import { formatMs, formatSetting } from './format.js';
import { kindOf } from './kinds.js';
import { drawSprites, readTheme, ring, within, write } from './paint.js';
import { waitBandOf } from './wait-band.js';

/** How far back it goes: what is older is told by the tiles only. */
const SHOWN_S = 30;
/** The scale, as powers of ten: from 0.1 ms to 10 s. */
const DECADES = [-1, 0, 1, 2, 3, 4];
/** Samples that are farther apart are not joined. */
const LONGEST_STEP_S = 2;
/** How far from a poll a click may be, in CSS pixels. */
const REACH = 28;

/**
 * The timeline: polls by their latency, the measured lag as a line over them, and the retry window as a band behind
 * them, all on one logarithmic scale. Time runs to the left, and the newest is at the right edge.
 *
 * @param {Recent} recent
 * @param {object} parts
 * @param {() => LabSettings | undefined} parts.settings
 * @param {() => LabPoll | undefined} parts.selected
 * @param {(poll: LabPoll) => void} parts.onSelect
 * @returns {() => void} draws it anew
 */
export function showTimeline(recent, { settings, selected, onSelect }) {
  const container = byId('timeline', HTMLElement);
  let theme = readTheme();
  let sprites = drawSprites(theme);
  const readThemeAgain = () => {
    theme = readTheme();
    sprites = drawSprites(theme);
  };

  /** @param {number} at */
  const toSeconds = (at) => (at - recent.now) / 1000;
  /** @param {number} at */
  const toX = (at) => plot.valToPos(toSeconds(at), 'x', true);
  /** @param {number} ms */
  const toY = (ms) => plot.valToPos(toDecades(ms), 'y', true);

  /** @param {uPlot} u */
  const drawBackground = ({ ctx, bbox }) => {
    const { left, top, width, height } = bbox;
    const wait = waitBandOf(settings());
    within(ctx, bbox, () => {
      for (const [from, to] of recent.gaps()) {
        const x = toX(from);
        ctx.fillStyle = theme.gap;
        ctx.fillRect(x, top, toX(to) - x, height);
        if (toX(to) - x < px(74)) continue;
        write(ctx, theme, { text: 'no answer', x: x + px(5), y: top + px(16), colour: theme.ink });
      }
      if (wait === undefined) return;
      const y = toY(wait.maxMs);
      ctx.fillStyle = theme.band;
      ctx.fillRect(left, y, width, Math.max(toY(wait.minMs) - y, px(2)));
    });
  };

  /** @param {uPlot} u */
  const drawPolls = ({ ctx, bbox }) => {
    within(ctx, bbox, () => {
      // The many plain hits lie under the few that have a story.
      for (const isHit of [true, false]) {
        for (const poll of recent.polls) {
          const kind = kindOf(poll);
          if ((kind === 'replica') !== isHit) continue;
          const sprite = sprites[kind];
          const half = sprite.width / 2;
          ctx.drawImage(sprite, toX(poll.at) - half, toY(poll.durationMs) - half);
        }
      }
    });
  };

  /** @param {uPlot} u */
  const drawLabels = ({ ctx, bbox }) => {
    const { left, top, width } = bbox;
    const wait = waitBandOf(settings());
    within(ctx, bbox, () => {
      if (wait !== undefined) {
        const y = toY(wait.maxMs) - px(5);
        write(ctx, theme, { text: wait.name, x: left + px(8), y, colour: theme.bandInk });
      }
      const lagMs = recent.lag.at(-1)?.lagMs ?? null;
      if (lagMs !== null) {
        const text = lagMs === 0 ? 'lag 0' : `lag ${formatMs(lagMs)}`;
        const x = left + width - px(8);
        const y = Math.max(toY(lagMs) - px(8), top + px(14));
        write(ctx, theme, { text, x, y, colour: theme.lag, align: 'right' });
      }
      const poll = selected();
      if (poll !== undefined) ring(ctx, theme, toX(poll.at), toY(poll.durationMs));
    });
  };

  const axis = { stroke: () => theme.ink, font: theme.font, ticks: { show: false } };
  const grid = { stroke: () => theme.grid, width: 1 };
  const lagLine = { points: { show: false }, spanGaps: false };
  const plot = new uPlot(
    {
      ...sizeOf(container),
      padding: [10, 18, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [-SHOWN_S, 0] },
        y: { range: () => [-1, 4] },
      },
      axes: [
        {
          ...axis,
          grid,
          size: 28,
          space: 60,
          incrs: [5, 10],
          values: (_, splits) => splits.map((s) => (s === 0 ? 'now' : `${s} s`)),
        },
        {
          ...axis,
          grid,
          size: 56,
          splits: DECADES,
          values: (_, splits) => splits.map((decade) => formatSetting(10 ** decade)),
        },
      ],
      series: [
        {},
        { ...lagLine, stroke: () => theme.surface, width: 5 },
        { ...lagLine, stroke: () => theme.lag, width: 2 },
      ],
      hooks: { drawClear: [drawBackground], drawAxes: [drawPolls], draw: [drawLabels] },
    },
    [[], [], []],
    container,
  );

  new ResizeObserver(() => plot.setSize(sizeOf(container))).observe(container);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readThemeAgain);
  plot.over.addEventListener('click', ({ offsetX, offsetY }) => {
    /** @param {LabPoll} poll */
    const distanceTo = ({ at, durationMs }) =>
      Math.hypot(
        plot.valToPos(toSeconds(at), 'x') - offsetX,
        plot.valToPos(toDecades(durationMs), 'y') - offsetY,
      );
    const [nearest] = recent.polls
      .map((poll) => ({ poll, distance: distanceTo(poll) }))
      .toSorted((a, b) => a.distance - b.distance);
    if (nearest !== undefined && nearest.distance <= REACH) onSelect(nearest.poll);
  });

  return () => {
    // Zoom, or another screen: uPlot minds that by itself.
    if (theme.pixelRatio !== devicePixelRatio) readThemeAgain();
    /** @type {number[]} */
    const seconds = [];
    /** @type {(number | null)[]} */
    const lag = [];
    for (const { at, lagMs } of recent.lag) {
      const second = toSeconds(at);
      // Nothing was measured while nobody watched.
      if (second - (seconds.at(-1) ?? second) > LONGEST_STEP_S) {
        seconds.push(second);
        lag.push(null);
      }
      seconds.push(second);
      lag.push(lagMs === null ? null : toDecades(lagMs));
    }
    plot.setData([seconds, lag, lag]);
  };
}

/**
 * A time in milliseconds on the logarithmic scale, at its edge if it is beyond.
 *
 * @param {number} ms
 */
function toDecades(ms) {
  return Math.min(Math.max(Math.log10(ms), -1), 4);
}

/** @param {number} pixels - as style sheets count them */
function px(pixels) {
  return pixels * devicePixelRatio;
}

/** @param {HTMLElement} container */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}
