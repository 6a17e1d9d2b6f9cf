/** @import { LaneName } from '../lab-poll.ts' */
/** @import { Theme } from './paint.js' */
/** @import { Recent } from './recent.js' */
import { KIND_NAMES } from './kinds.js';
import { SHOWN_MS } from './recent.js';
import { binOf, BINS_PER_DECADE, LEAST_DECADE } from './stats.js';

/** So many of the counted bins make one bar. */
const BINS_PER_BAR = 6;
const BARS = (5 * BINS_PER_DECADE) / BINS_PER_BAR;

/**
 * How long the late reads of a lane took, as bars on its own scale of time, and how long the lag was, as a line.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Theme} theme
 * @param {{ left: number, width: number }} box
 * @param {Recent} recent
 * @param {LaneName} lane
 * @param {(ms: number) => number} toY
 */
export function paintHistogram(ctx, theme, { left, width }, recent, lane, toY) {
  const { late } = recent.lane(lane).stats.since(recent.now - SHOWN_MS);
  const layers = KIND_NAMES.map((kind) => ({ kind, bars: toBars(late.get(kind)) }));
  const totals = Array.from({ length: BARS }, (_, bar) =>
    layers.reduce((sum, { bars }) => sum + (bars[bar] ?? 0), 0),
  );
  const most = Math.max(...totals);
  const edge = (/** @type {number} */ bar) =>
    toY(10 ** (LEAST_DECADE + (bar * BINS_PER_BAR) / BINS_PER_DECADE));
  const starts = totals.map(() => left);
  for (const { kind, bars } of layers) {
    ctx.fillStyle = theme.kinds[kind];
    for (const [bar, count] of bars.entries()) {
      if (count === 0) continue;
      const length = (count / most) * width;
      const x = starts[bar] ?? left;
      ctx.fillRect(x, edge(bar + 1) + 1, length, Math.max(edge(bar) - edge(bar + 1) - 1, 1));
      starts[bar] = x + length;
    }
  }

  const lags = recent.samples.flatMap(({ lagMs }) =>
    lagMs ? [Math.floor(binOf(lagMs) / BINS_PER_BAR)] : [],
  );
  const lag = Array.from({ length: BARS }, (_, bar) => lags.filter((each) => each === bar).length);
  const mostLag = Math.max(...lag);
  if (mostLag === 0) return;
  ctx.beginPath();
  ctx.moveTo(left, edge(0));
  for (const [bar, count] of lag.entries()) {
    const x = left + (count / mostLag) * width;
    ctx.lineTo(x, edge(bar));
    ctx.lineTo(x, edge(bar + 1));
  }
  ctx.lineTo(left, edge(BARS));
  ctx.strokeStyle = theme.lag;
  ctx.lineWidth = 1.5 * theme.pixelRatio;
  ctx.stroke();
}

/** @param {Uint32Array} [bins] */
function toBars(bins = new Uint32Array(0)) {
  return Array.from({ length: BARS }, (_, bar) =>
    bins
      .subarray(bar * BINS_PER_BAR, (bar + 1) * BINS_PER_BAR)
      .reduce((sum, count) => sum + count, 0),
  );
}
