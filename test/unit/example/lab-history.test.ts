import { describe, expect, test } from 'vitest';
import { createHistory } from '../../../examples/snapshots-service/lab/history.ts';
import { createLabRecord } from '../../../examples/snapshots-service/lab/lab-record.ts';
import { addToTally, NO_POLLS } from '../../../examples/snapshots-service/lab/tally.ts';

const POLL = {
  id: 1,
  lane: 'blind',
  at: 0,
  durationMs: 1,
  outcome: 'replica',
  isLie: false,
  isBogus: false,
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

  test('tells the last half minute, in parts that are soon drawn, and then what is new', () => {
    const record = createLabRecord();
    const at = Date.now();
    record.addPoll({ ...POLL, id: 0, at: at - 31_000 });
    record.addSample({ at: at - 31_000, lagMs: 0, retryMinMs: 50, retryMaxMs: 200 });
    for (let id = 1; id <= 600; id += 1) record.addPoll({ ...POLL, id, at });
    record.addSample({ at, lagMs: 7, retryMinMs: 50, retryMaxMs: 200 });
    record.addMark({ at, text: 'A step' });

    const read = record.reader();
    const parts = [read(), read(), read()];
    expect(parts.map(({ polls, isPart }) => [polls.length, isPart])).toEqual([
      [250, true],
      [250, true],
      [100, false],
    ]);
    expect(parts.flatMap(({ polls }) => polls.map(({ id }) => id))).toEqual(
      Array.from({ length: 600 }, (_, index) => index + 1),
    );
    expect(parts[0]).toMatchObject({ samples: [{ lagMs: 7 }], marks: [{ text: 'A step' }] });
    expect(parts[1]).toMatchObject({ samples: [], marks: [] });
    record.addPoll({ ...POLL, id: 601, at });
    expect(read()).toMatchObject({ polls: [{ id: 601 }], samples: [], isPart: false });
  });

  test('remembers 30,000 polls at most', () => {
    const record = createLabRecord();
    const at = Date.now();
    for (let id = 1; id <= 40_000; id += 1) record.addPoll({ ...POLL, id, at });
    expect(record.reader()().polls[0]?.id).toBe(10_001);
  });

  test('counts, lane by lane, what was wrong and what asked the primary', () => {
    const miss = { startMs: 0, endMs: 1, answer: 'miss' } as const;
    const onPrimary = [
      { ...miss, source: 'replica' },
      { ...miss, source: 'primary' },
    ] as const;
    const polls = [
      POLL,
      { ...POLL, outcome: 'not_found', isBogus: true, attempts: onPrimary },
      { ...POLL, lane: 'replica', outcome: 'not_found', isLie: true },
      { ...POLL, lane: 'replica', outcome: 'error' },
    ] as const;
    expect(polls.reduce(addToTally, NO_POLLS)).toEqual({
      ...NO_POLLS,
      blind: { polls: 2, wrong: 0, onPrimary: 1 },
      replica: { polls: 2, wrong: 2, onPrimary: 0 },
    });
  });
});
