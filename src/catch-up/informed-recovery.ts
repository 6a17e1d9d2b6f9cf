import { afterDelay } from '../after-delay.ts';
import type { BoundOptions } from '../bind-options.ts';
import { within } from '../deadline.ts';
import type { Floor, Read } from '../read.ts';
import type { CatchUpEnd } from '../read-report.ts';
import { longestWait } from '../retry-policy.ts';
import { untilAborted } from '../run-query.ts';
import { countPositionQuery, countWatchQuery } from '../telemetry.ts';
import type { CatchUp } from './catch-up.ts';
import { positionsOf } from './primary-positions.ts';
import { waitForReplay } from './wait-for-replay.ts';

/** The options of a read with `catchUp`. */
type InformedOptions<Client, T> = BoundOptions<Client, T> & { readonly catchUp: CatchUp<Client> };

export function isInformed<Client, T>(
  options: BoundOptions<Client, T>,
): options is InformedOptions<Client, T> {
  return options.catchUp !== undefined;
}

/** 2. replica, for a read with `after`: the answer counts only if the replica had replayed that much. */
export async function askReplicaAfter<Client, T>(
  read: Read<Client, T>,
  options: InformedOptions<Client, T>,
): Promise<void> {
  const floor =
    options.after === 'now'
      ? await findNow(read, options, longestWait(options.retryMs))
      : givenFloor(options.after);
  if (floor === undefined) return read.skipReplicas();
  read.require(floor);
  await read.askReplica('replica');
}

/**
 * 3. Wait until a replica has replayed what the read needs. 4. replica_retry, whose answer is then final.
 *
 * @param windowMs - how long to wait at most
 * @returns `false` when the positions are not known, and the read has to wait as without `catchUp`
 */
export async function recoverInformed<Client, T>(
  read: Read<Client, T>,
  options: InformedOptions<Client, T>,
  windowMs: number,
): Promise<boolean> {
  const { catchUp, primary, signal } = options;
  if (windowMs === 0) return true;
  const waitedFor = read.isBehind ? 'after' : 'existence';
  const since = performance.now();
  let attemptsMs = 0;
  const ask = async (replica?: Client): Promise<void> => {
    const askedAt = performance.now();
    await read.askReplica('replica_retry', replica);
    attemptsMs += performance.now() - askedAt;
  };
  const conclude = (end: CatchUpEnd): boolean => {
    const waitMs = Math.max(0, performance.now() - since - attemptsMs);
    read.noteCatchUp({ waitedFor, end, waitMs });
    if (end !== 'unknown') return true;
    read.require(givenFloor(options.after));
    return waitedFor === 'after'; // no answer of a replica could count
  };

  const { floor, isForged } = await chooseFloor(read, options, windowMs);
  if (isForged) {
    read.require(undefined);
    await ask();
    if (!read.hasMissed) return conclude('caught_up');
  }
  if (floor === undefined) return conclude('unknown');
  read.require(floor);
  for (;;) {
    const arrival = await waitForReplay({
      catchUp,
      replicas: read.replicas,
      positions: positionsOf(primary),
      target: floor.position,
      windowMs,
      since,
      signal,
      onLook: () => countWatchQuery(options),
    });
    if (arrival.end !== 'caught_up') return conclude(arrival.end);
    await ask(arrival.replica);
    const isOver = read.hasFailed ? read.replicas.length === 0 : !read.isBehind;
    if (isOver) return conclude('caught_up');
    // One address has several servers, or this one has gone: wait on, for the one that is there.
    await afterDelay(pause(since), signal, async () => {});
  }
}

/** What the read has to wait for: the position that it was given, if that is what the replica lacked, or the primary's. */
async function chooseFloor<Client, T>(
  read: Read<Client, T>,
  options: InformedOptions<Client, T>,
  windowMs: number,
): Promise<{ readonly floor: Floor | undefined; readonly isForged?: boolean }> {
  const { catchUp, primary } = options;
  const given = read.isBehind ? givenFloor(options.after) : undefined;
  if (given === undefined) return { floor: await findNow(read, options, windowMs) };
  const known = positionsOf(primary).newest;
  if (known !== undefined && catchUp.compare(known.position, given.position) === 'reached') {
    return { floor: given };
  }
  const now = await findNow(read, options, windowMs);
  if (now === undefined) return { floor: given };
  const reach = catchUp.compare(now.position, given.position);
  if (reach === 'reached') return { floor: given };
  // The primary has not come that far, or it is of another cluster or timeline: then all that is on the primary is enough.
  return { floor: now, isForged: reach === 'behind' };
}

/** The position that the caller gave, unless that is `'now'`. */
function givenFloor(after: string | undefined): Floor | undefined {
  return after === undefined || after === 'now' ? undefined : { position: after, isFinal: false };
}

/** A position of the primary from after the read began, so that the answer of a replica which has it is final. */
async function findNow<Client, T>(
  read: Read<Client, T>,
  { catchUp, primary, signal, ...options }: InformedOptions<Client, T>,
  timeoutMs: number,
): Promise<Floor | undefined> {
  const found = positionsOf(primary).since(read.queriesBefore, () => {
    countPositionQuery(options);
    return catchUp.position(primary);
  });
  const inTime = within(timeoutMs, found);
  const now = await (signal === undefined ? inTime : untilAborted(inTime, signal));
  return now && { position: now.position, isFinal: true };
}

/** Milliseconds before the next try: a tenth of the time waited. */
function pause(since: number): number {
  return Math.max(1, (performance.now() - since) / 10);
}
