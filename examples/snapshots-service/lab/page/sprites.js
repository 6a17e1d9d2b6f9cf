/** @import { SceneOutcome } from '../scenes.ts' */
import { KINDS } from './kinds.js';

/** Half the width of a symbol, in CSS pixels. Plain hits are smaller, because there are so many. */
const RADIUS = { replica: 3.4, replica_retry: 5.5, primary: 5.5, not_found: 6, lie: 6, error: 6 };

/**
 * One small picture for each kind of poll: a timeline of thousands is quick to draw with them.
 *
 * @param {{ kinds: Record<SceneOutcome, string> }} theme
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
  const path = new Path2D(KINDS[kind].path);
  ctx.lineCap = 'round';
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.globalAlpha = kind === 'replica' ? 0.75 : 1;
  ctx.lineWidth = 0.4;
  if (KINDS[kind].isHollow) ctx.stroke(path);
  else ctx.fill(path);
  return canvas;
}
