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

/** What is answered within a second of the stopped clock, which passes meanwhile. */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  const [value] = await Promise.all([answer, vi.advanceTimersByTimeAsync(1000)]);
  return value;
}
