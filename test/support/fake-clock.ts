import { onTestFinished, vi } from 'vitest';

/** Stops the clocks and the timers until the test ends. From here on, only the test moves them. */
export function stopTheClock(): void {
  vi.useFakeTimers();
  // At 0, a time that was never taken would look like now.
  vi.advanceTimersByTime(1_000_000);
  onTestFinished(() => {
    vi.useRealTimers();
  });
}
