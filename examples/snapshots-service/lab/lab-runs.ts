import type { Kysely } from 'kysely';
import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { appendSnapshot, createRun, type SnapshotKey } from '../service/snapshot-writer.ts';

/** The runs that the lab writes to. There are never more than a few: old ones are deleted. */
export interface LabRuns {
  /** Adds a snapshot to the run of the given runner, or starts its next run. */
  append(runner: number): Promise<SnapshotKey>;
  /** The snapshot that visitors edit. */
  draft(): Promise<SnapshotKey>;
  /** Deletes all of them. */
  deleteAll(): Promise<void>;
}

const SNAPSHOTS_PER_RUN = 50;
/** Longer than any poll lasts: a snapshot that somebody may still ask for has to be there. */
const KEEP_MS = 30_000;

/** @param keepMs - how long a run is kept after its last snapshot. Default is 30 seconds. */
export function createLabRuns(db: Kysely<SnapshotTables>, keepMs: number = KEEP_MS): LabRuns {
  const current = new Map<number, { runId: string; snapshots: number }>();
  let drafted: Promise<SnapshotKey> | undefined;
  let retired: { readonly runId: string; readonly at: number }[] = [];

  const remove = async (runIds: readonly string[]): Promise<void> => {
    if (runIds.length === 0) return;
    await db.deleteFrom('execution_snapshot').where('run_id', 'in', runIds).execute();
  };
  const retire = async (runId: string): Promise<void> => {
    const now = performance.now();
    retired.push({ runId, at: now });
    const old = retired.filter(({ at }) => now - at >= keepMs);
    await remove(old.map((run) => run.runId));
    retired = retired.filter((run) => !old.includes(run));
  };

  return {
    async append(runner) {
      const run = current.get(runner);
      if (run !== undefined && run.snapshots < SNAPSHOTS_PER_RUN) {
        run.snapshots += 1;
        return appendSnapshot(db, run.runId, { waitpoints: [] });
      }
      if (run !== undefined) await retire(run.runId);
      const key = await createRun(db, { description: 'lag lab', waitpoints: [] });
      current.set(runner, { runId: key.runId, snapshots: 1 });
      return key;
    },
    draft() {
      drafted ??= createRun(db, { description: 'Never saved', waitpoints: [] }).catch((error) => {
        drafted = undefined;
        throw error;
      });
      return drafted;
    },
    async deleteAll() {
      const draft = await drafted?.catch(() => undefined);
      const drafts = draft === undefined ? [] : [draft];
      const all = [...current.values(), ...retired, ...drafts].map(({ runId }) => runId);
      current.clear();
      drafted = undefined;
      retired = [];
      await remove(all);
    },
  };
}
