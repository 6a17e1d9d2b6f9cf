import { afterDelay } from '../after-delay.ts';
import type { Floor, InformedRead } from '../informed-read.ts';
import type { CatchUpEnd } from '../read-report.ts';
import { isReason } from '../verdict.ts';
import { countWatchQuery, recordCatchUp } from './catch-up-telemetry.ts';
import type { PositionSource, Reach } from './position-source.ts';
import { DEFAULT_TIMEOUT_MS } from '../retry-policy.ts';
import { ORIGIN } from './observed-source.ts';
import { askPosition, type PrimaryPosition, positionsOf } from './primary-positions.ts';
import { waitForReplay } from './wait-for-replay.ts';

/**
 * 2. replica, for a read with `after`: the answer counts only if the replica had replayed that much.
 *
 * @param mayTrust - whether this read may rely on where the primary was then
 */
export async function begin<Client>(
  source: PositionSource<Client>,
  read: InformedRead<Client>,
  windowMs: number,
  mayTrust: MayTrust,
): Promise<void> {
  // Without a retry, too, the primary needs time to answer.
  const timeoutMs = windowMs === 0 ? DEFAULT_TIMEOUT_MS : windowMs;
  const given = givenFloor(read);
  if (given === undefined) {
    read.floor = await findNow(source, read, timeoutMs);
    return read.floor === undefined ? read.skipReplicas() : read.askReplica('replica');
  }
  read.floor = given;
  const answer = read.askReplica('replica');
  const compared = compareWithPrimary(source, read, given, timeoutMs, mayTrust);
  await Promise.allSettled([answer, compared]);
  read.floor = await compared;
  await answer;
  if (read.floor !== given) read.skipReplicas();
}

/**
 * 3. Wait until a replica has replayed what the read needs. 4. replica_retry, whose answer is then final.
 *
 * @param windowMs - how long to wait at most
 * @returns `false` when the positions are not known, and the read has to wait as without `catchUp`
 */
export async function recover<Client>(
  source: PositionSource<Client>,
  read: InformedRead<Client>,
  windowMs: number,
): Promise<boolean> {
  const { options, isBehind } = read;
  const since = performance.now();
  let attemptsMs = 0;
  let hasEnded = false;
  const ask = async (replica?: Client): Promise<void> => {
    const askedAt = performance.now();
    await read.askReplica('replica_retry', replica);
    attemptsMs += performance.now() - askedAt;
  };
  const conclude = (end: CatchUpEnd): boolean => {
    const waitMs = Math.max(0, performance.now() - since - attemptsMs);
    const report = { waitedFor: isBehind ? 'after' : 'existence', end, waitMs } as const;
    read.noteCatchUp(report);
    recordCatchUp(report, options);
    hasEnded = true;
    if (end !== 'unknown') return true;
    read.floor = givenFloor(read);
    return isBehind; // no answer of a replica could count
  };
  try {
    return await waitAndAsk(source, read, windowMs, { since, ask, conclude });
  } catch (error) {
    if (!hasEnded && isReason(error, options.signal)) conclude('aborted');
    throw error;
  }
}

/** A wait that is under way. */
interface Wait<Client> {
  readonly since: number;
  readonly ask: (replica?: Client) => Promise<void>;
  /** Tells how it ended. What it returns is what {@link recover} does. */
  readonly conclude: (end: CatchUpEnd) => boolean;
}

async function waitAndAsk<Client>(
  source: PositionSource<Client>,
  read: InformedRead<Client>,
  windowMs: number,
  { since, ask, conclude }: Wait<Client>,
): Promise<boolean> {
  const { options, isBehind } = read;
  // The primary was asked in vain when the read began.
  if (isBehind && read.floor === undefined) return conclude('unknown');
  let floor = isBehind ? read.floor : await findNow(source, read, windowMs);
  if (floor === undefined) {
    const isKnown = conclude('unknown');
    // The primary was silent as long as the read may wait: the retry is due.
    if (isKnown || performance.now() - since < windowMs) return isKnown;
    await ask();
    return true;
  }
  read.floor = floor;
  for (;;) {
    const arrival = await waitForReplay({
      source,
      replicas: read.replicas,
      positions: positionsOf(source, options.primary),
      target: floor.position,
      windowMs,
      since,
      signal: options.signal,
      onLook: () => countWatchQuery(options),
    });
    if (arrival.end !== 'caught_up') return conclude(arrival.end);
    await ask(arrival.replica);
    const isOver = read.hasFailed ? read.replicas.length === 0 : !read.isBehind;
    if (isOver && (!read.hasMissed || floor.isFinal)) return conclude('caught_up');
    if (isOver) {
      // The replica has the position that the read was given, and the row may be newer.
      floor = await findNow(source, read, Math.max(0, since + windowMs - performance.now()));
      if (floor === undefined) return conclude('unknown');
      read.floor = floor;
    } else if (read.isBehind) {
      // One address has several servers: wait on, for one that is there.
      await afterDelay(pause(since, windowMs), options.signal, async () => {});
    }
    if (performance.now() - since >= windowMs) return conclude('late');
  }
}

/** Whether a read may rely on where the primary was then, instead of asking it once more. */
export type MayTrust = (known: PrimaryPosition) => boolean;

/**
 * The position that the read was given, if it is part of the primary's history as that is now. Where a failover or a crash took
 * it back, or somebody made it up, all that is on the primary now is what the read needs: a replica that still follows the old
 * primary would have the position, too.
 */
async function compareWithPrimary<Client>(
  source: PositionSource<Client>,
  read: InformedRead<Client>,
  given: Floor,
  timeoutMs: number,
  mayTrust: MayTrust,
): Promise<Floor> {
  const { position } = given;
  if (position === ORIGIN) return given;
  const positions = positionsOf(source, read.options.primary);
  const known = positions.newest;
  const reach = known === undefined ? 'reached' : reachOf(source, known.position, position);
  if (known !== undefined && reach === 'reached' && mayTrust(known)) return given;
  // A primary that hangs must leave time to wait for the replica.
  const now = positions.isSilent(timeoutMs / 2, () => askPosition(source, read.options))
    ? undefined
    : await findNow(source, read, timeoutMs / 2);
  if (now !== undefined) return reachOf(source, now.position, position) === 'reached' ? given : now;
  // Of a primary that cannot be asked, the last that is known counts.
  return reach === 'unknown' && known !== undefined
    ? { position: known.position, isFinal: false }
    : given;
}

/**
 * Whether a primary has a position, as part of its history. Where a position tells which primary was to come next, another one does
 * not: the primary before that one has the same transactions, but not what came after.
 */
function reachOf<Client>(source: PositionSource<Client>, primary: string, position: string): Reach {
  const reach = source.compare(primary, position);
  return source.compare(position, primary) === 'unknown' ? 'unknown' : reach;
}

/** The position that the caller gave, unless that is `'now'`. */
function givenFloor({ options: { after } }: InformedRead<unknown>): Floor | undefined {
  return after === undefined || after === 'now' ? undefined : { position: after, isFinal: false };
}

/** A position of the primary from after the read began, so that the answer of a replica which has it is final. */
async function findNow<Client>(
  source: PositionSource<Client>,
  read: InformedRead<Client>,
  timeoutMs: number,
): Promise<Floor | undefined> {
  const { options, queriesBefore } = read;
  const { primary, after, logger, signal } = options;
  const positions = positionsOf(source, primary);
  const ask = () => askPosition(source, options);
  const now = await positions.since(queriesBefore, ask, { timeoutMs, signal });
  positions.note(now);
  // With `after`, the read would reject.
  const goesOn = now === undefined && after === undefined && logger !== undefined;
  if (goesOn && positions.isNoPrimaryAnyMore()) read.warn(NO_PRIMARY);
  return now && { position: now.position, isFinal: true };
}

const NO_PRIMARY = 'A standby answers in place of the primary: rows may be missing.';

/** Milliseconds before the next try: a tenth of the time waited, and not beyond the window. */
function pause(since: number, windowMs: number): number {
  const waitedMs = performance.now() - since;
  return Math.max(1, Math.min(waitedMs / 10, windowMs - waitedMs));
}
