import { type Kysely, sql } from 'kysely';
import { afterEach } from 'vitest';
import { openDatabases } from '../../../examples/snapshots-service/service/databases.ts';
import { createLab, type Lab } from '../../../examples/snapshots-service/lab/lab.ts';
import type { LabPoll } from '../../../examples/snapshots-service/lab/lab-poll.ts';
import type { LabNews } from '../../../examples/snapshots-service/lab/lab-record.ts';
import { createLabRoutes } from '../../../examples/snapshots-service/lab/lab-routes.ts';
import { listen } from '../../../examples/snapshots-service/service/listen.ts';
import { createLog } from '../../../examples/snapshots-service/service/log.ts';
import { createService } from '../../../examples/snapshots-service/service/service.ts';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';

/** The lab, served on a port of its own. */
export interface RunningLab {
  readonly url: string;
  readonly lab: Lab;
  /** What the service logged. */
  readonly log: readonly Record<string, unknown>[];
  /** Ends the service, as Ctrl-C does. */
  readonly close: () => Promise<void>;
}

export interface LagLabOptions {
  /** Whether the servers are like those of one's own. Default is `false`. */
  readonly ownServers?: boolean;
  /** Whether visitors are let in. Default is `true`. */
  readonly open?: boolean;
  readonly pace?: number;
  /** Default is any free one. */
  readonly port?: number;
  /** The longest wait for the standby. Default is 200. */
  readonly retryMaxMs?: number;
}

/** For scenes that last until they are stopped. */
export const ENDLESS: LagLabOptions = { pace: 1_000 };

const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closings.splice(0).map((close) => close()));
});

/** Serves a lab over a cluster that has the tables, until the test ends. */
export async function startLagLab(
  { primary, replicas: [standby], description }: ReplicationCluster,
  { ownServers = false, open = true, pace = 1, port = 0, retryMaxMs = 200 }: LagLabOptions = {},
): Promise<RunningLab> {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('error', {
    write: (line) => void lines.push(JSON.parse(line)),
  });
  const urls = { primary: primary.connectionString, replica: standby.connectionString };
  const databases = openDatabases(urls, log);
  const retryMs = { min: 50, max: retryMaxMs };
  const lab = createLab({
    databases,
    servers: description,
    standby: ownServers ? undefined : standby,
    retryMs,
    log,
    pace,
  });
  const app = createService(databases, { enabled: true, catchUp: true, retryMs }, log);
  app.route('/', createLabRoutes(lab));
  const server = await listen(app, port);
  if (open) lab.open();

  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await lab.close();
    await server.close();
    await databases.close();
  };
  const close = (): Promise<void> => (closing ??= end());
  closings.push(close);
  return { url: server.url, lab, log: lines, close };
}

/** How a poll ended, as the lab tells its visitors. */
export function kindOf({ isLie, outcome }: LabPoll): string {
  return isLie ? 'lie' : outcome;
}

/** All polls that a visitor has not been told of yet, which may take several parts. */
export function readAll(news: () => LabNews): LabPoll[] {
  const polls: LabPoll[] = [];
  for (;;) {
    const part = news();
    polls.push(...part.polls);
    if (!part.isPart) return polls;
  }
}

/** What holds a standby back, as its own database says. */
export async function readReplayControls<DB>(
  standby: Kysely<DB>,
): Promise<{ delay: string; pause: string } | undefined> {
  const { rows } = await sql<{ delay: string; pause: string }>`
    select
      current_setting('recovery_min_apply_delay') as delay,
      pg_get_wal_replay_pause_state() as pause`.execute(standby);
  return rows[0];
}
