import type { SnapshotKey } from '../service/snapshot-writer.ts';

/** What a poll experienced. */
export interface Answer {
  readonly status: number;
  /** How the service says that the read ended: `replica`, `replica_retry`, `primary`, … */
  readonly outcome: string;
  readonly latencyMs: number;
}

/** Works on a run through the HTTP interface of the service, as a worker of its own would. */
export interface Runner {
  createRun(): Promise<SnapshotKey>;
  /** Adds a snapshot to the run. */
  append(runId: string): Promise<SnapshotKey>;
  /** Asks what came after the snapshot, which may fail: that is an answer too. */
  poll(key: SnapshotKey): Promise<Answer>;
  /** Reads what the service counts of itself. */
  readMetrics(): Promise<string>;
}

/**
 * @param url - where the service is, without a slash at its end
 * @param signal - ends the request that is under way
 */
export function createRunner(url: string, signal: AbortSignal): Runner {
  const post = async (path: string): Promise<SnapshotKey> => {
    const response = await fetch(`${url}${path}`, { method: 'POST', signal });
    const body: unknown = await response.json();
    if (isSnapshotKey(body)) return body;
    throw new Error(`POST ${path} answered ${response.status}: ${JSON.stringify(body)}`);
  };

  return {
    createRun: () => post('/runs'),
    append: (runId) => post(`/runs/${runId}/snapshots`),
    async poll(key) {
      const start = performance.now();
      const response = await fetch(`${url}${pollPath(key)}`, { signal });
      await response.arrayBuffer();
      const latencyMs = performance.now() - start;
      const [outcome = ''] = (response.headers.get('Server-Timing') ?? 'error').split(';');
      return { status: response.status, outcome, latencyMs };
    },
    readMetrics: async () => (await fetch(`${url}/metrics`, { signal })).text(),
  };
}

/** Where a service answers what came after a snapshot. */
export function pollPath({ runId, snapshotId }: SnapshotKey): string {
  return `/runs/${runId}/snapshots/since/${snapshotId}`;
}

function isSnapshotKey(body: unknown): body is SnapshotKey {
  return typeof body === 'object' && body !== null && 'runId' in body && 'snapshotId' in body;
}
