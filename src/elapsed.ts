/** Milliseconds in hundredths: what clocks tell beyond that is noise. Never negative, although a test may set the clock back. */
export function elapsedMs(start: number, end: number): number {
  return Math.max(0, Math.round((end - start) * 100) / 100);
}
