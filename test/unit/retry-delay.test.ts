import { expect, test } from 'vitest';
import { type Recovery, type RetryMs, toRetryPolicy } from '../../src/retry-policy.ts';

const RECOVERY: Recovery = { operation: undefined, cause: 'miss' };
const ALMOST_1 = 1 - Number.EPSILON;

function delaysOf(retryMs: RetryMs | undefined, random?: () => number): number[] {
  return [...toRetryPolicy(retryMs, random).delays(RECOVERY)];
}

test.for([
  { name: 'undefined', retryMs: undefined, min: 50, max: 200 },
  { name: '200', retryMs: 200, min: 50, max: 200 },
  { name: '10', retryMs: 10, min: 2.5, max: 10 },
  { name: '{ max: 400 }', retryMs: { max: 400 }, min: 50, max: 400 },
  { name: '{ max: 20 }', retryMs: { max: 20 }, min: 20, max: 20 },
  { name: '{ min: undefined, max: 90 }', retryMs: { min: undefined, max: 90 }, min: 50, max: 90 },
  { name: '{ min: 0, max: 90 }', retryMs: { min: 0, max: 90 }, min: 0, max: 90 },
  { name: '{ min: 7, max: 7 }', retryMs: { min: 7, max: 7 }, min: 7, max: 7 },
])('draws one delay from $min to $max ms for $name', ({ retryMs, min, max }) => {
  expect(delaysOf(retryMs, () => 0)).toEqual([min]);
  expect(delaysOf(retryMs, () => 0.5)).toEqual([(min + max) / 2]);
  expect(delaysOf(retryMs, () => ALMOST_1)).toEqual([expect.closeTo(max, 9)]);
});

test.for([0, { max: 0 }, { min: 0, max: 0 }])('has no delay for %o', (retryMs) => {
  expect(delaysOf(retryMs)).toEqual([]);
});

test('draws a delay for each recovery anew', () => {
  const draws = [0, 0.5];
  const policy = toRetryPolicy({ min: 50, max: 200 }, () => draws.shift()!);

  expect([...policy.delays(RECOVERY), ...policy.delays(RECOVERY)]).toEqual([50, 125]);
});

test('spreads 10,000 delays evenly over the bounds, and none beyond them', () => {
  const delays = Array.from({ length: 10_000 }, () => delaysOf({ min: 50, max: 200 })[0]!);
  const tenths = Array<number>(10).fill(0);
  for (const delay of delays) tenths[Math.floor((delay - 50) / 15)]!++;

  expect(Math.min(...delays)).toBeGreaterThanOrEqual(50);
  expect(Math.max(...delays)).toBeLessThanOrEqual(200);
  // 1,000 in each on average, with a standard deviation of 30.
  expect(Math.min(...tenths)).toBeGreaterThan(750);
});
