import { describe, expect, test } from 'vitest';
import { createHistory } from '../../../examples/snapshots-service/lab/history.ts';
import { createLabRecord } from '../../../examples/snapshots-service/lab/lab-record.ts';

const POLL = {
  at: 0,
  durationMs: 1,
  outcome: 'replica',
  isLie: false,
  isBogus: false,
  fallback: true,
  catchUpEnd: null,
  retryMinMs: 50,
  retryMaxMs: 200,
  attempts: [],
} as const;

describe("the lag lab's history", () => {
  test('gives what came after a number, oldest first', () => {
    const history = createHistory<string>(3);
    expect(history.after(0)).toEqual([]);
    for (const item of ['a', 'b']) history.add(item);
    expect(history.after(0)).toEqual(['a', 'b']);
    expect(history.after(1)).toEqual(['b']);
    expect(history.after(2)).toEqual([]);
  });

  test('keeps the newest only', () => {
    const history = createHistory<number>(3);
    for (let item = 1; item <= 8; item += 1) history.add(item);
    expect(history.after(0)).toEqual([6, 7, 8]);
    expect(history.after(7)).toEqual([8]);
    expect(history.last).toBe(8);
  });

  test('remembers 3,000 polls and 600 samples, and the totals of all', () => {
    const record = createLabRecord();
    for (let count = 1; count <= 10_000; count += 1) {
      record.addPoll(POLL);
      record.addLag({ at: count, lagMs: 0 });
    }
    const read = record.reader();
    const { polls, lag, totals } = read();
    expect([polls.length, polls[0]?.id, polls.at(-1)?.id]).toEqual([3000, 7001, 10_000]);
    expect([lag.length, lag[0]?.at]).toEqual([600, 9401]);
    expect(totals).toMatchObject({ polls: 10_000, replica: 10_000, lies: 0, spills: 0 });
    expect(read()).toMatchObject({ polls: [], lag: [] });
  });

  test('counts lies and spills', () => {
    const record = createLabRecord();
    const attempt = { startMs: 0, endMs: 1, answer: 'miss' } as const;
    record.addPoll({ ...POLL, outcome: 'not_found', isLie: true });
    record.addPoll({
      ...POLL,
      outcome: 'not_found',
      attempts: [
        { ...attempt, source: 'replica' },
        { ...attempt, source: 'primary' },
      ],
    });
    const { totals } = record.reader()();
    expect(totals).toMatchObject({ polls: 2, not_found: 2, lies: 1, spills: 1 });
  });
});
