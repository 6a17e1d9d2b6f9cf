import { withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { fakeCluster, positionAt } from '../support/fake-cluster.ts';
import { readHeapBytes } from '../support/heap.ts';

const READS = 50;
const nowhere = async () => undefined;

/** How many of these are still needed, by something that is not known here. */
async function countNeeded(refs: readonly WeakRef<object>[]): Promise<number> {
  await readHeapBytes();
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

test('reads that are over leave nothing behind while the question hangs that they have waited for', async () => {
  const { options, primary } = fakeCluster();
  const answer = Promise.withResolvers<string>();
  primary.says = () => answer.promise;
  await withReplicaFallback(nowhere, { ...options, retryMs: 1 }); // asks it
  const refs: WeakRef<object>[] = [];
  const read = async () => {
    const { signal } = new AbortController();
    refs.push(new WeakRef(signal));
    await withReplicaFallback(nowhere, { ...options, retryMs: 1, signal });
  };

  await Promise.all(Array.from({ length: READS }, read));

  await expect.poll(() => countNeeded(refs)).toBe(0);
  answer.resolve(positionAt(0));
});

test('reads that were aborted leave nothing behind while the query runs that they have shared', async () => {
  const answer = Promise.withResolvers<number>();
  const query = (db: { isPrimary: boolean }): Promise<number | undefined> =>
    db.isPrimary ? answer.promise : nowhere();
  const options = {
    primary: { isPrimary: true },
    replica: { isPrimary: false },
    retryMs: 0,
    operation: 'find',
    coalesceKey: '1',
  };
  const first = withReplicaFallback(query, options);
  const refs: WeakRef<object>[] = [];
  const reads: Promise<unknown>[] = [];
  (() => {
    const controllers = Array.from({ length: READS }, () => new AbortController());
    for (const { signal } of controllers) {
      refs.push(new WeakRef(signal));
      reads.push(withReplicaFallback(query, { ...options, signal }).catch(() => {}));
    }
    setImmediate(() => {
      for (const controller of controllers) controller.abort();
    });
  })();
  await Promise.all(reads.splice(0));

  await expect.poll(() => countNeeded(refs)).toBe(0);
  answer.resolve(1);
  expect(await first).toBe(1);
});
