import { SHOWN_MS } from './recent.js';

/** How much of it is blank ahead of now. */
const AHEAD_MS = 2_000;

/**
 * A strip of paper that runs to the left with time, and on which each symbol is drawn only once. It is a canvas whose
 * end is joined to its beginning.
 */
export class Tape {
  #canvas = document.createElement('canvas');
  #ctx = this.#canvas.getContext('2d');
  #pixelsPerMs = 0;
  /** How far it is blank, in pixels. */
  #blankTo = 0;

  /**
   * Begins a blank one.
   *
   * @param {number} width - of the half minute that is shown, in pixels
   * @param {number} height
   * @param {number} now
   */
  reset(width, height, now) {
    this.#pixelsPerMs = width / SHOWN_MS;
    this.#canvas.width = Math.ceil((SHOWN_MS + AHEAD_MS) * this.#pixelsPerMs);
    this.#canvas.height = Math.ceil(height);
    this.#blankTo = this.#toPixels(now + AHEAD_MS);
  }

  /**
   * Draws a symbol, over those that are there or behind them.
   *
   * @param {HTMLCanvasElement} sprite
   * @param {number} at
   * @param {number} y
   * @param {boolean} isBehind
   */
  stamp(sprite, at, y, isBehind) {
    const { width } = this.#canvas;
    const x = at * this.#pixelsPerMs;
    if (this.#ctx === null || x > this.#blankTo || x < this.#blankTo - width) return;
    this.#ctx.globalCompositeOperation = isBehind ? 'destination-over' : 'source-over';
    const half = sprite.width / 2;
    const left = this.#wrap(x) - half;
    this.#ctx.drawImage(sprite, left, y - half);
    if (left < 0) this.#ctx.drawImage(sprite, left + width, y - half);
    if (left + sprite.width > width) this.#ctx.drawImage(sprite, left - width, y - half);
  }

  /**
   * Shows the half minute before now.
   *
   * @param {CanvasRenderingContext2D} target
   * @param {{ left: number, top: number }} place
   * @param {number} now
   */
  copyTo(target, { left, top }, now) {
    const { width, height } = this.#canvas;
    if (width === 0 || height === 0) return;
    const blankTo = this.#toPixels(now + AHEAD_MS);
    this.#pieces(this.#blankTo, Math.min(blankTo - this.#blankTo, width), (x, length) => {
      this.#ctx?.clearRect(x, 0, length, height);
    });
    this.#blankTo = Math.max(blankTo, this.#blankTo);
    const shown = Math.floor(SHOWN_MS * this.#pixelsPerMs);
    this.#pieces(this.#toPixels(now) - shown, shown, (x, length, from) => {
      target.drawImage(this.#canvas, x, 0, length, height, left + from, top, length, height);
    });
  }

  /**
   * A length of the tape, in one piece or two.
   *
   * @param {number} start
   * @param {number} length
   * @param {(x: number, length: number, from: number) => void} onPiece
   */
  #pieces(start, length, onPiece) {
    const x = this.#wrap(start);
    const first = Math.min(length, this.#canvas.width - x);
    if (first > 0) onPiece(x, first, 0);
    if (length > first) onPiece(0, length - first, first);
  }

  /** @param {number} at */
  #toPixels(at) {
    return Math.floor(at * this.#pixelsPerMs);
  }

  /** @param {number} x */
  #wrap(x) {
    const { width } = this.#canvas;
    return ((x % width) + width) % width;
  }
}
