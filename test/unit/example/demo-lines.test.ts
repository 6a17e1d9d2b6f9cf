import { describe, expect, test } from 'vitest';
import type { Level, Poll } from '../../../examples/snapshots-service/demo/poll.ts';
import { formatProgress } from '../../../examples/snapshots-service/demo/progress.ts';
import {
  formatConclusion,
  formatSummary,
} from '../../../examples/snapshots-service/demo/summary.ts';
import type { Paint } from '../../../examples/snapshots-service/terminal.ts';

const HIGHEST_MS = 60_000;
/** The most that the demonstration may have to tell, with the longest wait that can be set. */
const SLOW = { status: 200, outcome: 'replica_retry', latencyMs: HIGHEST_MS + 200 };
const LATE: Poll = { informed: SLOW, blind: SLOW, off: { ...SLOW, outcome: 'bypass' } };
const POLLS = Array.from({ length: 20 }, () => LATE);
const LAGS = ['as it is', `${2 * HIGHEST_MS} ms`];

const plain: Paint = (_style, text) => text;

describe("the demonstration's lines", () => {
  test('tell how far a level is, and how its last poll ended at each service', () => {
    const informed = { ...SLOW, outcome: 'primary' };
    const poll = { ...LATE, informed, off: { ...SLOW, status: 404 } };
    expect(formatProgress('30 ms', [LATE, poll], 20, plain)).toBe(
      'lag 30 ms    2/20  informed primary  blind replica_retry  off 404',
    );
  });

  test.for(LAGS)(
    'fit into a terminal of 80 columns, whatever comes of the polls at lag %s',
    (lag) => {
      const catchUps = { positionQueries: 20, hopeless: 20 };
      const lost: Level = { lag, polls: POLLS.map(() => fail(503)), catchUps };
      const levels = [{ lag, polls: POLLS, catchUps }, lost, lost];
      const lines = [formatSummary(levels, plain), formatConclusion(levels, HIGHEST_MS)].join('\n');
      expect(longest(lines)).toBeLessThanOrEqual(80);
      // The last column of a line that is written anew stays empty.
      for (const { polls } of levels) {
        expect(longest(formatProgress(lag, polls, 20, plain))).toBeLessThan(80);
      }
    },
  );
});

function fail(status: number): Poll {
  const answer = { ...SLOW, status };
  return { informed: answer, blind: answer, off: answer };
}

function longest(lines: string): number {
  return Math.max(...lines.split('\n').map((line) => line.length));
}
