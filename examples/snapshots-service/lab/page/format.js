/**
 * Milliseconds, with as many digits as say something.
 *
 * @param {number} ms
 */
export function formatMs(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 9_999.5) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`;
}

/**
 * A setting in milliseconds, which is a whole number.
 *
 * @param {number} ms
 */
export function formatSetting(ms) {
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

/** @param {number} share - from 0 to 1 */
export function formatShare(share) {
  if (!Number.isFinite(share)) return '–';
  const percent = share * 100;
  // Never a 100 % that is not one.
  return `${percent > 99 && percent < 100 ? Math.floor(percent * 10) / 10 : Math.round(percent)} %`;
}

/**
 * A count, which fits into a tile after hours, too.
 *
 * @param {number} count
 */
export function formatCount(count) {
  if (count < 1_000_000) return count.toLocaleString('en');
  return count.toLocaleString('en', { notation: 'compact', maximumFractionDigits: 2 });
}
