import type { Answer, Client } from '../traffic/client.ts';
import type { Run } from '../traffic/run.ts';

/** What the service answers to "what came after this snapshot?". */
export interface Page {
  readonly snapshots: readonly PageSnapshot[];
  readonly hasMore: boolean;
  readonly newest?: PageSnapshot;
}

interface PageSnapshot {
  readonly id: string;
  readonly runId: string;
  readonly description: string;
  readonly completedWaitpointOrder: readonly string[];
  readonly completedWaitpoints: readonly { readonly id: string }[];
}

interface Poll {
  readonly client: Client;
  readonly run: Run;
  /** The snapshot that was asked about: one that was committed before. */
  readonly anchor: string;
  readonly answer: Pick<Answer, 'status' | 'isDoubtful' | 'body'>;
}

/**
 * Checks the answer to one poll. That the newest snapshots are not in it yet is as it should be: the next poll has them.
 *
 * @throws Violation when it is not what it has to be
 */
export function checkPage({ client, run, anchor, answer }: Poll): void {
  const { status, isDoubtful, body } = answer;
  if (status === 408 || status === 503) return;
  if (status === 404 && isDoubtful) return client.excuse();
  if (status === 404) {
    const expected = `snapshot ${anchor} of ${run.name}, which was committed before`;
    throw client.violation('nothing committed is missing', expected, '404');
  }
  const { snapshots, hasMore, newest = snapshots.at(-1) } = body as Page;
  const stranger = snapshots.find(
    ({ runId, description }) => runId !== run.id || !run.hasAskedFor(description),
  );
  if (stranger !== undefined) {
    const expected = `only what was written to ${run.name}`;
    throw client.violation('nothing of another run', expected, JSON.stringify(stranger));
  }
  let previous = anchor;
  for (const { id } of snapshots) {
    if (id <= previous) {
      const expected = `what came after ${previous}`;
      throw client.violation('none skipped or repeated', expected, id);
    }
    previous = id;
  }
  const skipped = run.findSkipped(anchor, previous, new Set(snapshots.map(({ id }) => id)));
  if (skipped !== undefined) {
    const expected = `${skipped} between ${anchor} and ${previous}`;
    throw client.violation('none skipped or repeated', expected, 'a page without it');
  }
  if (newest === undefined || hasMore) return;
  const [, count] = / with (\d+)$/.exec(newest.description) ?? [];
  const { completedWaitpoints: arrived, completedWaitpointOrder: order } = newest;
  const isInOrder = arrived.every(({ id }, place) => id === order[place]);
  if (arrived.length === Number(count) && isInOrder) return;
  const expected = `${count} waitpoints of the run's newest snapshot, ${order.join(', ')}`;
  throw client.violation('nothing incomplete', expected, JSON.stringify(arrived));
}
