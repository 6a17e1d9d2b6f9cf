import { setImmediate } from 'node:timers/promises';

/** Runs something, and gives the reasons of the rejections that nobody handled meanwhile. */
export async function unhandledRejectionsOf(run: () => Promise<unknown>): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const onUnhandled = (reason: unknown) => reasons.push(reason);
  process.on('unhandledRejection', onUnhandled);
  try {
    await run();
    await setImmediate();
    return reasons;
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}
