import { describe, expect, test } from 'vitest';
import { createActivity } from '../../../examples/snapshots-service/lab/activity.ts';

/** Work that ends when it is told to, and not when its signal aborts. */
function createStubbornWork() {
  const endings: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal): Promise<void> => {
    signals.push(signal);
    return new Promise((resolve) => endings.push(resolve));
  };
  return { work, signals, endings };
}

/** Lets all that is due happen. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('an activity of the lag lab', () => {
  test('starts once, however often it is asked to', async () => {
    const { work, signals } = createStubbornWork();
    const activity = createActivity(work);
    activity.start();
    activity.start();
    await turn();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });

  test('starts again only when what was stopped has ended', async () => {
    const { work, signals, endings } = createStubbornWork();
    const activity = createActivity(work);
    activity.start();
    await turn();
    const stopped = activity.stop();
    activity.start();
    await turn();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    endings[0]?.();
    await stopped;
    await turn();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  test('that is stopped before its turn never starts, and has ended with the one before', async () => {
    const { work, signals, endings } = createStubbornWork();
    const activity = createActivity(work);
    activity.start();
    await turn();
    void activity.stop();
    activity.start();
    const stopped = activity.stop();
    endings[0]?.();
    await stopped;
    expect(signals).toHaveLength(1);
  });
});
