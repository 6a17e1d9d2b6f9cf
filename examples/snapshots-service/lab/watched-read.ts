import type { Kysely } from 'kysely';
import { type CatchUpEnd, thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable, walCatchUp } from 'kysely-replica-fallback/postgres';
import {
  getSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import type { Databases } from '../service/databases.ts';
import type { SnapshotKey } from '../service/snapshot-writer.ts';
import type { LabAttempt, LabOutcome, NewLabPoll } from './lab-poll.ts';
import type { LabSettings } from './settings.ts';

/** One question of a runner. */
export interface Question {
  readonly key: SnapshotKey;
  /** Whether it is about a snapshot that exists nowhere. */
  readonly isBogus: boolean;
}

type ReadSettings = Pick<LabSettings, 'fallback' | 'catchUp' | 'retryMinMs' | 'retryMaxMs'>;

const CATCH_UP = walCatchUp();

/**
 * Asks what came after a snapshot, and notes how each attempt went.
 *
 * @throws the signal's reason when it aborts, and nothing else
 */
export async function watchRead(
  { primary, replica }: Pick<Databases, 'primary' | 'replica'>,
  { key, isBogus }: Question,
  { fallback, catchUp, retryMinMs, retryMaxMs }: ReadSettings,
  signal: AbortSignal,
): Promise<NewLabPoll> {
  const at = Date.now();
  const start = performance.now();
  const elapsed = (): number => Math.round((performance.now() - start) * 1000) / 1000;
  const attempts: LabAttempt[] = [];

  const ask = async (
    db: Kysely<SnapshotTables>,
    source: LabAttempt['source'],
    abort: AbortSignal | undefined,
  ) => {
    const startMs = elapsed();
    const note = (answer: LabAttempt['answer']): void => {
      attempts.push({ source, startMs, endMs: elapsed(), answer });
    };
    try {
      const page = await getSnapshotsSince(db, key, { signal: abort });
      note('found');
      return page;
    } catch (error) {
      note(answerOf(error));
      throw error;
    }
  };

  let outcome: LabOutcome = 'error';
  let catchUpEnd: CatchUpEnd | null = null;
  try {
    await (fallback
      ? withReplicaFallback((db, attempt) => ask(db, attempt.source, attempt.signal), {
          primary,
          replica,
          isMiss: thrown(SnapshotNotFoundError),
          isUnavailable: replicaUnavailable,
          retryMs: { min: retryMinMs, max: retryMaxMs },
          catchUp: catchUp ? CATCH_UP : undefined,
          signal,
          onOutcome: (report) => {
            if (report.outcome !== 'rejected') ({ outcome } = report);
            catchUpEnd = report.recovery?.catchUp?.end ?? null;
          },
        })
      : // A bypass, as in `createServiceWithoutFallback`: the replica's word is final.
        withReplicaFallback((db) => ask(db, 'replica', signal), { primary: replica, signal }));
    if (!fallback) outcome = 'replica';
  } catch (error) {
    signal.throwIfAborted();
    if (!fallback) outcome = answerOf(error) === 'miss' ? 'not_found' : 'error';
  }
  const isLie = outcome === 'not_found' && !isBogus;
  const durationMs = elapsed();
  return {
    at,
    durationMs,
    outcome,
    isLie,
    isBogus,
    fallback,
    catchUpEnd,
    retryMinMs,
    retryMaxMs,
    attempts,
  };
}

function answerOf(error: unknown): LabAttempt['answer'] {
  if (error instanceof SnapshotNotFoundError) return 'miss';
  return replicaUnavailable(error) ? 'failure' : 'error';
}
