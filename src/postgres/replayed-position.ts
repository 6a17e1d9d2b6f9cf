import { perDatabase } from '../catch-up/per-database.ts';
import type { Reach } from '../catch-up/position-source.ts';
import { databaseOf, selectText } from './clients/wal-client.ts';
import { hashOf, SEES_ALL, showsMore } from './hash-sql.ts';
import { lsnOf } from './wal-position.ts';

/** What a standby has replayed. `undefined` for a server that is no standby. */
export async function readReplayed(standby: object): Promise<string | undefined> {
  const replayed = await askReplayedOn(standby);
  return replayed?.position;
}

/** The same of a connection, and whether the next query there sees all that is replayed by then. */
export async function askReplayedOn(standby: object) {
  const askedAt = performance.now();
  const replayed = await askReplayed(standby, REPLAYED);
  if (replayed === undefined) return undefined;
  const { seesAll } = replayed;
  const known = knownTimelines.get(replayed.server);
  if (known !== undefined && askedAt - known.askedAt < FORGET_AFTER_MS) {
    return { position: `${known.timeline}-${replayed.lsn}`, seesAll };
  }
  const whole = await askReplayed(standby, REPLAYED_ON_TIMELINE);
  if (whole === undefined) return undefined;
  const { lsn, server } = whole;
  // Without an upstream, it may tell less than before. Until it is started anew, it does not go back.
  const before = knownTimelines.get(server);
  const { timeline, number } =
    before !== undefined && before.number > whole.number ? before : whole;
  if (knownTimelines.size >= MOST_KNOWN) knownTimelines.clear();
  knownTimelines.set(server, { timeline, number, askedAt });
  // At an address that several servers share, another one may have answered, which speaks for itself alone. Of the same one,
  // what it had first counts: in a pipeline, the query came in between.
  const position = `${timeline}-${server === replayed.server ? replayed.lsn : lsn}`;
  return { position, seesAll };
}

interface KnownTimeline {
  /** As a hash. */
  readonly timeline: string;
  readonly number: number;
  readonly askedAt: number;
}

/** By server. To read its control file takes a server as long as a small query, so that is not done for each check. */
const knownTimelines = new Map<string, KnownTimeline>();
const FORGET_AFTER_MS = 1_000;
const MOST_KNOWN = 100;

async function askReplayed(standby: object, sql: string) {
  const text = await selectText(standby, sql);
  if (text === undefined) return undefined;
  const words = text.split(' ');
  const seesAll = !words.includes(OLD);
  const [lsn = '', server = '', version, timeline = '', number] = words.filter(
    (word) => word !== OLD,
  );
  versionOf({ databaseOf }, standby).number = Number(version);
  return { lsn, server, seesAll, timeline, number: Number(number) };
}

/** What the server says where the next query would see an old snapshot. */
const OLD = 'old';

/** As `server_version_num`. */
const versionOf = perDatabase(() => ({ number: 0 }));

/**
 * A promoted standby keeps its last replayed position while it takes writes, so `pg_is_in_recovery()` is asked first. The
 * time at which the server was started tells it from every other one.
 *
 * A standby that has more to replay may show what comes next already: a commit is seen before its record counts as replayed.
 * Only one that has replayed just what it has received has no more: after a restart it replays its own log first, and one
 * may replay an archive.
 */
const REPLAYED = `
  select to_hex((lsn - '0/0')::bigint)
    || case when lsn = pg_last_wal_receive_lsn() then '' else ${showsMore('server')} end
    || ' ' || server
    || ' ' || current_setting('server_version_num')
    || case when ${SEES_ALL} then '' else ' ${OLD}' end
  from (
    select pg_last_wal_replay_lsn() as lsn, extract(epoch from pg_postmaster_start_time())::text as server
  ) as replay
  where pg_is_in_recovery()`;

/**
 * No function gives the timeline that a standby replays: these are those of its last restart point, of the end of its
 * minimum recovery, and for a role with `pg_monitor` of what it receives. Each may be behind, and none is ahead.
 */
const REPLAYED_ON_TIMELINE = `
  select (${REPLAYED}) || ' ' || ${hashOf('number')} || ' ' || number
  from pg_control_system(), (
    select greatest(
      (select timeline_id from pg_control_checkpoint()),
      (select min_recovery_end_timeline from pg_control_recovery()),
      (select received_tli from pg_stat_wal_receiver)) as number
  ) as timeline`;

/**
 * PostgreSQL 19 can wait by itself, without a snapshot that could hold back what is waited for.
 * https://www.postgresql.org/docs/19/sql-wait-for.html
 *
 * @returns `undefined` for a server that cannot, or that was not asked yet what it has replayed
 */
export function whenReplayed(
  standby: object,
  position: string,
  timeoutMs: number,
): Promise<Reach> | undefined {
  const version = versionOf({ databaseOf }, standby);
  if (version.number < 190_000) return undefined;
  const timeout = `TIMEOUT '${Math.ceil(timeoutMs)}ms', NO_THROW`;
  return selectText(standby, `WAIT FOR LSN '${lsnOf(position)}' WITH (${timeout})`).then(
    (status) => (status === 'success' ? 'reached' : status === 'timeout' ? 'behind' : 'unknown'),
    () => {
      // Another server may answer at the same address. The next look tells, or fails as well.
      version.number = 0;
      return 'behind';
    },
  );
}
