/** @import { LabSettings } from '../settings.ts' */

/**
 * The times that a read may wait, with their name. With catch-up, that is any time up to the longest.
 *
 * @param {LabSettings | undefined} settings
 */
export function waitBandOf(settings) {
  if (settings === undefined || !settings.fallback || settings.retryMaxMs === 0) return undefined;
  const { catchUp, retryMinMs: minMs, retryMaxMs: maxMs } = settings;
  return catchUp
    ? { name: `longest wait ${maxMs} ms`, minMs: maxMs, maxMs }
    : { name: `retry window ${minMs}–${maxMs} ms`, minMs, maxMs };
}
