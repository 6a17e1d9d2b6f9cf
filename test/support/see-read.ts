import {
  type AttemptSource,
  type ReadReport,
  type ReplicaFallbackOptions,
  type ReplicaQuery,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';

/** A read that is over, as its caller and whoever watches it saw it. */
interface SeenRead<T> {
  readonly result: PromiseSettledResult<T>;
  /** Who was asked, in order. */
  readonly asked: readonly AttemptSource[];
  /** What the query rejected with, in the order in which it did. */
  readonly thrown: readonly unknown[];
  readonly report: ReadReport;
}

/** Reads through the ladder. */
export async function seeRead<Client, T>(
  query: ReplicaQuery<NoInfer<Client>, T>,
  options: ReplicaFallbackOptions<Client, T>,
): Promise<SeenRead<T>> {
  const { reports, onOutcome } = recordReads();
  const asked: AttemptSource[] = [];
  const thrown: unknown[] = [];
  const seenQuery: ReplicaQuery<Client, T> = async (db, attempt) => {
    asked.push(attempt.source);
    try {
      return await query(db, attempt);
    } catch (error) {
      thrown.push(error);
      throw error;
    }
  };
  const [result] = await Promise.allSettled([
    withReplicaFallback(seenQuery, { ...options, onOutcome }),
  ]);
  const [report] = reports;
  if (report === undefined || reports.length > 1) {
    throw new Error(`There were ${reports.length} reports of one read.`);
  }
  return { result, asked, thrown, report };
}
