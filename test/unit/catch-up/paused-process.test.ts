import { setTimeout as sleep } from 'node:timers/promises';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { catchUpOf, type Pool } from '../../support/parties.ts';

/** A replica that is always 20 ms late, while the process that reads stands still for longer than its window now and then. */

const LAG_MS = 20;
const WINDOW_MS = 200;
const PAUSE_MS = 300;
const PAUSES = 3;
const READS = 60;

const entriesAt = (lagMs: number) => () => Math.floor(performance.now() - lagMs);

const afterAnswer = async <T>(answer: T): Promise<T> => {
  await sleep(2);
  return answer;
};

test('no read takes a pause of its own process for a replica that is too far behind', async () => {
  const primary: Pool = { at: { timeline: 1, entries: entriesAt(0) } };
  const replica: Pool = { at: { timeline: 1, entries: entriesAt(LAG_MS) } };
  const { onOutcome, reports } = recordReads();
  const read = createReplicaFallback({
    primary,
    replica,
    catchUp: catchUpOf('a', { position: afterAnswer, look: afterAnswer }),
    retryMs: WINDOW_MS,
    onOutcome,
  });
  const reads: Promise<unknown>[] = [];
  for (let pause = 0; pause < PAUSES; pause++) {
    for (let each = 0; each < READS; each++) {
      reads.push(read(async ({ at }) => at.entries(), { after: 'now' }));
      await sleep(3);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
  await Promise.all(reads);

  const ends = reports.map(({ recovery }) => recovery?.catchUp?.end);
  expect(ends.filter((end) => end === 'hopeless')).toEqual([]);
  expect(ends).toContain('caught_up');
});
