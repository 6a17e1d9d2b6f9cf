import { beforeEach, expect, test, vi } from 'vitest';
import { PrimaryPositions } from '../../../src/catch-up/primary-positions.ts';
import type { Reach } from '../../../src/catch-up/position-source.ts';
import { countQueries } from '../../../src/shared-queries.ts';
import { stopTheClock } from '../../support/fake-clock.ts';

beforeEach(stopTheClock);

const source = {
  compare: (replayed: string, position: string): Reach =>
    Number(replayed) >= Number(position) ? 'reached' : 'behind',
};

test('says of a window of up to five minutes whether a replica is behind by more, to a seventh', async () => {
  const positions = new PrimaryPositions();
  const NOW = 600_000;
  // The primary writes without a pause: its position is the time. It is asked every 10 ms for ten minutes.
  for (let ms = 0; ms <= NOW; ms += 10) {
    await positions.since(countQueries(), async () => String(ms));
    if (ms < NOW) vi.advanceTimersByTime(10);
  }

  for (let windowMs = 20; windowMs < 300_000; windowMs *= 1.5) {
    const isBehind = (lagMs: number) =>
      positions.isBehind(performance.now() - windowMs, String(NOW - lagMs), String(NOW), source);
    expect(isBehind(windowMs)).toBe(false);
    expect(isBehind(windowMs * (8 / 7) + 20)).toBe(true);
  }
});
