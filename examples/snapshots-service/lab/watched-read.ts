import type { Kysely } from 'kysely';
import { type AttemptSource, type CatchUpEnd, withReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import {
  getSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import type { Databases } from '../service/databases.ts';
import type { LabAttempt, LabOutcome, LabPoll } from './lab-poll.ts';
import type { Lane } from './lanes.ts';
import type { Question } from './question.ts';
import type { LabSettings } from './settings.ts';

/**
 * Asks a lane what came after a snapshot, and notes how each attempt went.
 *
 * @throws the signal's reason when it aborts, and nothing else
 */
export async function watchRead(
  databases: Pick<Databases, 'primary' | 'replica'>,
  lane: Lane,
  question: Question,
  { retryMinMs, retryMaxMs }: LabSettings,
  signal: AbortSignal,
): Promise<LabPoll> {
  const at = Date.now();
  const start = performance.now();
  const elapsed = (): number => Math.round((performance.now() - start) * 100) / 100;
  const attempts: LabAttempt[] = [];
  let catchUpEnd: CatchUpEnd | null = null;

  const ask = async (db: Kysely<SnapshotTables>, source: AttemptSource): Promise<void> => {
    const startMs = elapsed();
    const note = (answer: LabAttempt['answer']): void => {
      attempts.push({ source, startMs, endMs: elapsed(), answer });
    };
    try {
      await getSnapshotsSince(db, question.key);
      note('found');
    } catch (error) {
      note(answerOf(error));
      throw error;
    }
  };
  const asked: Promise<void>[] = [];
  try {
    const query = (db: Kysely<SnapshotTables>, attempt: { source: AttemptSource }) => {
      // A lane that asks only one database has it as its primary.
      const isBypassed = attempt.source === 'primary' && db === databases.replica;
      const answer = ask(db, isBypassed ? 'replica' : attempt.source);
      asked.push(answer);
      return answer;
    };
    await withReplicaFallback(query, {
      ...lane.options(databases, question, { retryMinMs, retryMaxMs }),
      signal,
      onOutcome({ recovery }) {
        catchUpEnd = recovery?.catchUp?.end ?? null;
      },
    });
  } catch {
    // The last attempt tells of it. The pools' time limits end one that is under way.
    await Promise.allSettled(asked);
    signal.throwIfAborted();
  }
  const { id, isBogus } = question;
  const outcome = outcomeOf(attempts.at(-1));
  return {
    id,
    lane: lane.name,
    at,
    durationMs: elapsed(),
    outcome,
    isLie: outcome === 'not_found' && !isBogus,
    isBogus,
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

function outcomeOf(last: LabAttempt | undefined): LabOutcome {
  if (last?.answer === 'found') return last.source;
  return last?.answer === 'miss' ? 'not_found' : 'error';
}
