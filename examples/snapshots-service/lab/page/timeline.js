/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { LabSettings } from '../settings.ts' */
/** @import { Recent } from './recent.js' */
import uPlot from 'uplot';
import { byId } from './dom.js';
import { formatMs } from './format.js';
import { kindOf } from './kinds.js';
import { WINDOW_MS } from './recent.js';
import { drawSprites } from './sprites.js';
import { readTheme } from './theme.js';

const LOWEST_MS = 0.1;
const HIGHEST_MS = 10_000;
/** How far from a poll a click may be, in CSS pixels. */
const REACH = 28;

/**
 * The timeline: polls by their latency, the measured lag as a line over them, and the retry window as a band, all on
 * one logarithmic scale. Time runs to the left, and the newest is at the right edge.
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

  /** @param {number} ms */
  const toY = (ms) => plot.valToPos(clamp(ms), 'y', true);
  /** @param {number} at */
  const toX = (at) => plot.valToPos((at - recent.now) / 1000, 'x', true);

  /** @param {uPlot} u */
  const drawBehind = ({ ctx, bbox }) => {
    const { left, top, width, height } = bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const [from, to] of gaps(recent)) {
      const x = toX(from);
      ctx.fillStyle = theme.gap;
      ctx.fillRect(x, top, toX(to) - x, height);
      write(
        ctx,
        theme,
        'no answer',
        x + 6 * devicePixelRatio,
        top + 16 * devicePixelRatio,
        theme.ink,
      );
    }
    const { fallback = false, retryMinMs = 0, retryMaxMs = 0 } = settings() ?? {};
    if (fallback && retryMaxMs > 0) {
      const bottom = toY(retryMinMs);
      const y = toY(retryMaxMs);
      ctx.fillStyle = theme.band;
      ctx.fillRect(left, y, width, Math.max(bottom - y, 2 * devicePixelRatio));
      const label = `retry window ${retryMinMs}–${retryMaxMs} ms`;
      write(
        ctx,
        theme,
        label,
        left + 8 * devicePixelRatio,
        y - 5 * devicePixelRatio,
        theme.bandInk,
      );
    }
    ctx.restore();
  };

  /** @param {uPlot} u */
  const drawFront = ({ ctx, bbox }) => {
    const { left, top, width, height } = bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    // The many plain hits lie under the few that have a story.
    for (const isHit of [true, false]) {
      for (const poll of recent.polls) {
        const kind = kindOf(poll);
        if ((kind === 'replica') !== isHit) continue;
        const sprite = sprites[kind];
        ctx.drawImage(
          sprite,
          toX(poll.at) - sprite.width / 2,
          toY(poll.durationMs) - sprite.height / 2,
        );
      }
    }
    const poll = selected();
    if (poll !== undefined) ring(ctx, theme, toX(poll.at), toY(poll.durationMs));
    const newest = recent.lag.at(-1);
    if (newest?.lagMs !== null && newest?.lagMs !== undefined) {
      const y = Math.max(toY(newest.lagMs) - 7 * devicePixelRatio, top + 14 * devicePixelRatio);
      ctx.textAlign = 'right';
      const text = newest.lagMs === 0 ? 'lag 0' : `lag ${formatMs(newest.lagMs)}`;
      write(ctx, theme, text, left + width - 8 * devicePixelRatio, y, theme.lag);
    }
    ctx.restore();
  };

  const axis = { stroke: () => theme.ink, font: theme.font, ticks: { show: false } };
  const grid = { stroke: () => theme.grid, width: 1 };
  const plot = new uPlot(
    {
      ...sizeOf(container),
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [-WINDOW_MS / 1000, 0] },
        y: { distr: 3, log: 10, range: () => [LOWEST_MS, HIGHEST_MS] },
      },
      axes: [
        { ...axis, grid, values: (_, splits) => splits.map((s) => (s === 0 ? 'now' : `${s} s`)) },
        { ...axis, grid, size: 58, values: (_, splits) => splits.map(formatTick) },
      ],
      series: [{}, { stroke: () => theme.lag, width: 2, points: { show: false }, spanGaps: false }],
      hooks: { drawClear: [drawBehind], draw: [drawFront] },
    },
    [[], []],
    container,
  );

  const draw = () => {
    const { lag, now } = recent;
    plot.setData(
      [
        lag.map(({ at }) => (at - now) / 1000),
        lag.map(({ lagMs }) => (lagMs === null ? null : clamp(lagMs))),
      ],
      true,
    );
  };
  new ResizeObserver(() => plot.setSize(sizeOf(container))).observe(container);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    theme = readTheme();
    sprites = drawSprites(theme);
    plot.redraw();
  });
  plot.over.addEventListener('click', ({ offsetX, offsetY }) => {
    /** @param {LabPoll} poll */
    const distance = ({ at, durationMs }) =>
      Math.hypot(
        plot.valToPos((at - recent.now) / 1000, 'x') - offsetX,
        plot.valToPos(clamp(durationMs), 'y') - offsetY,
      );
    const [nearest] = recent.polls
      .map((poll) => ({ poll, distance: distance(poll) }))
      .toSorted((a, b) => a.distance - b.distance);
    if (nearest !== undefined && nearest.distance <= REACH) onSelect(nearest.poll);
  });
  return draw;
}

/** @param {number} ms */
function clamp(ms) {
  return Math.min(Math.max(ms, LOWEST_MS), HIGHEST_MS);
}

/** @param {HTMLElement} container */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}

/** @param {number | null} ms */
function formatTick(ms) {
  if (ms === null) return '';
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

/**
 * When a server did not answer, from and to.
 *
 * @param {Recent} recent
 * @returns {[from: number, to: number][]}
 */
function gaps({ lag, now }) {
  /** @type {[number, number][]} */
  const found = [];
  for (const [index, { at, lagMs }] of lag.entries()) {
    if (lagMs !== null) continue;
    const to = lag[index + 1]?.at ?? now;
    const last = found.at(-1);
    if (last !== undefined && last[1] === at) last[1] = to;
    else found.push([at, to]);
  }
  return found;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {ReturnType<typeof readTheme>} theme
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {string} colour
 */
function write(ctx, theme, text, x, y, colour) {
  ctx.font = theme.canvasFont;
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.lineJoin = 'round';
  ctx.strokeStyle = theme.surface;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {ReturnType<typeof readTheme>} theme
 * @param {number} x
 * @param {number} y
 */
function ring(ctx, theme, x, y) {
  ctx.beginPath();
  ctx.arc(x, y, 11 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.lineWidth = 2.5 * devicePixelRatio;
  ctx.strokeStyle = theme.focus;
  ctx.stroke();
}
