/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { SceneOutcome } from '../scenes.ts' */

/**
 * How a poll can end, each with a shape besides its colour: a path in a square from -1 to 1.
 *
 * @typedef {{ says: string, path: string, isHollow?: boolean }} Kind
 */

/** @type {Readonly<Record<SceneOutcome, Kind>>} */
export const KINDS = {
  replica: {
    says: 'had it at once',
    path: 'M-.7 0a.7.7 0 1 0 1.4 0a.7.7 0 1 0 -1.4 0z',
  },
  replica_retry: {
    says: 'had it after the wait',
    path: 'M0 -.95L.95 .75H-.95z',
  },
  primary: { says: 'served it: a spill', path: 'M0 -1L1 0L0 1L-1 0z' },
  not_found: {
    says: 'true: it exists nowhere',
    path: 'M-.65 -.65H.65V.65H-.65z',
    isHollow: true,
  },
  lie: {
    says: '“not found”, yet it exists',
    path: 'M-.75 -.75L.75 .75M.75 -.75L-.75 .75',
    isHollow: true,
  },
  error: { says: 'the caller got one', path: 'M0 .95L-.95 -.75H.95z' },
};

/** @type {readonly SceneOutcome[]} */
export const KIND_NAMES = ['replica', 'replica_retry', 'primary', 'not_found', 'lie', 'error'];

/**
 * @param {LabPoll} poll
 * @returns {SceneOutcome}
 */
export function kindOf(poll) {
  return poll.isLie ? 'lie' : poll.outcome;
}

const SVG = 'http://www.w3.org/2000/svg';

/**
 * The symbol of a kind, to stand before its name.
 *
 * @param {SceneOutcome} kind
 */
export function makeSymbol(kind) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '-1.2 -1.2 2.4 2.4');
  svg.setAttribute('class', `symbol ${KINDS[kind].isHollow ? 'hollow' : ''}`);
  svg.setAttribute('data-kind', kind);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', KINDS[kind].path);
  svg.append(path);
  return svg;
}
