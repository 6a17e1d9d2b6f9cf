/** @import { SceneOutcome } from '../scenes.ts' */
import { KINDS } from './kinds.js';

/**
 * @typedef {ReturnType<typeof readTheme>} Theme
 * @typedef {ReturnType<typeof drawSprites>} Sprites
 * @typedef {{ text: string, x: number, y: number, colour: string, align?: CanvasTextAlign }} Label
 */

/** The colours and fonts of the style sheet, as the canvas needs them. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const scale = Number.parseFloat(style.fontSize) / 15;
  return {
    ink: colour('ink-soft'),
    surface: colour('surface'),
    grid: colour('grid'),
    lag: colour('lag'),
    band: colour('band'),
    bandInk: colour('band-ink'),
    gap: colour('gap'),
    focus: colour('focus'),
    kinds: {
      replica: colour('replica'),
      replica_retry: colour('replica-retry'),
      primary: colour('primary'),
      not_found: colour('not-found'),
      lie: colour('lie'),
      error: colour('error'),
    },
    pixelRatio: devicePixelRatio,
    /** How much larger than usual the reader wants texts. */
    scale,
    font: `${12 * scale}px ${style.fontFamily}`,
    labelFont: `600 ${12 * scale * devicePixelRatio}px ${style.fontFamily}`,
  };
}

/** Half the width of a symbol, in CSS pixels. Plain hits are smaller, because there are so many. */
const RADIUS = { replica: 3.2, replica_retry: 5, primary: 5, not_found: 5, lie: 5.5, error: 6 };

/**
 * One small picture for each kind of poll: a timeline of thousands is quick to draw with them.
 *
 * @param {Theme} theme
 */
export function drawSprites({ kinds }) {
  return {
    replica: drawSprite('replica', kinds.replica),
    replica_retry: drawSprite('replica_retry', kinds.replica_retry),
    primary: drawSprite('primary', kinds.primary),
    not_found: drawSprite('not_found', kinds.not_found),
    lie: drawSprite('lie', kinds.lie),
    error: drawSprite('error', kinds.error),
  };
}

/**
 * @param {SceneOutcome} kind
 * @param {string} colour
 */
function drawSprite(kind, colour) {
  const radius = RADIUS[kind] * devicePixelRatio;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.ceil(2.6 * radius);
  const ctx = canvas.getContext('2d');
  if (ctx === null) return canvas;
  ctx.translate(canvas.width / 2, canvas.height / 2);
  ctx.scale(radius, radius);
  ctx.lineCap = 'round';
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.globalAlpha = 0.8;
  ctx.lineWidth = 0.4;
  if (KINDS[kind].isHollow) ctx.stroke(outlineOf(kind));
  else ctx.fill(outlineOf(kind));
  return canvas;
}

/** @param {SceneOutcome} kind */
function outlineOf(kind) {
  return new Path2D(KINDS[kind].path);
}

/**
 * Draws within a rectangle only.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ left: number, top: number, width: number, height: number }} box
 * @param {() => void} draw
 */
export function within(ctx, { left, top, width, height }, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  draw();
  ctx.restore();
}

/**
 * A text with a rim, so that it can be read over anything.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Theme} theme
 * @param {Label} label
 */
export function write(ctx, theme, { text, x, y, colour, align = 'left' }) {
  ctx.font = theme.labelFont;
  ctx.textAlign = align;
  ctx.textBaseline = 'alphabetic';
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.lineJoin = 'round';
  ctx.strokeStyle = theme.surface;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Theme} theme
 * @param {number} x
 * @param {number} y
 */
export function ring(ctx, theme, x, y) {
  for (const [width, colour] of /** @type {const} */ ([
    [5, theme.surface],
    [2.5, theme.focus],
  ])) {
    ctx.beginPath();
    ctx.arc(x, y, 10 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.lineWidth = width * devicePixelRatio;
    ctx.strokeStyle = colour;
    ctx.stroke();
  }
}
