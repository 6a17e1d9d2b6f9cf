import * as fc from 'fast-check';
import { createReplicaFallback, type ReadReport } from 'kysely-replica-fallback';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { catchUpOf, type Manners, type Party, type Pool, positionAt } from '../support/parties.ts';

/**
 * What the model of the ladder does not know: primaries that change, replicas that follow an old one, positions from before,
 * several catch-ups on one client, queries that get lost, and reads that wait beside others. No path is predicted here: only
 * what must never happen is looked for.
 */

const SEED = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = { seed: SEED, numRuns: 300 };
const WINDOW_MS = 200;
/** For so long, a session's later reads may rely on what the primary has said. */
const RELIED_ON_MS = 100;
const NEVER = Infinity;
/** Of the clock, before what is played counts as hanging. */
const MOST_STEPS = 100_000;

beforeEach(stopTheClock);

/** Lets the clock run until all is over. */
async function play<T>(all: readonly Promise<T>[]): Promise<T[]> {
  const running = new Set(all);
  void Promise.allSettled(all).then(() => running.clear());
  for (let step = 0; running.size > 0 && step < MOST_STEPS; step++) {
    await vi.advanceTimersToNextTimerAsync();
  }
  expect(running.size).toBe(0);
  return Promise.all(all);
}

/** What waits for this needs the clock to run. */
function later(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

interface Served {
  readonly shown: { readonly timeline: number; readonly entry: number };
  readonly outcome: ReadReport['outcome'];
}

const failover = fc.record({
  /** The last entry that both timelines have. */
  fork: fc.integer({ min: 1, max: 3 }),
  strays: fc.integer({ min: 1, max: 3 }),
  written: fc.integer({ min: 0, max: 3 }),
  replicas: fc.array(
    fc.record({ follows: fc.boolean(), lagsFor: fc.constantFrom(0, 30, 90, NEVER) }),
    { minLength: 1, maxLength: 3 },
  ),
  isSamePool: fc.boolean(),
  reads: fc.array(
    fc.record({
      way: fc.constantFrom('position', 'now', 'cookie', 'told', 'wrote', 'went on'),
      source: fc.constant('a'),
      beginsAt: fc.constantFrom(0, 3, 40),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

type Failover = typeof failover extends fc.Arbitrary<infer Told> ? Told : never;

/** All that is read after a failover, from replicas of either primary. */
async function playFailover(told: Failover): Promise<{
  served: readonly Served[];
  primary: Party;
}> {
  const { fork, strays, written, replicas, isSamePool, reads } = told;
  let hasFailedOver = false;
  let failedOverAt = NEVER;
  const old: Party = { timeline: 1, entries: () => (hasFailedOver ? fork + strays : fork) };
  const heir: Party = { timeline: 2, entries: () => fork + written };
  const pool: Pool = { at: old };
  const replicaPools = replicas.map((): Pool => ({ at: old }));
  const catchUps = { a: catchUpOf('a'), b: catchUpOf('b') };
  const reader = (primary: Pool, source: 'a' | 'b', onOutcome?: (report: ReadReport) => void) =>
    createReplicaFallback({
      primary,
      replica: replicaPools,
      catchUp: catchUps[source],
      retryMs: WINDOW_MS,
      onOutcome,
    });
  const query = async ({ at }: Pool) => {
    const entry = at.entries();
    return { timeline: entry > fork ? at.timeline : 1, entry };
  };
  const before = reads.map(({ source }) => createCausalSession(reader(pool, source)));
  await play([reader(pool, 'a')(query, { after: 'now' })]); // so that it is known where the old primary was
  await play(before.map((session) => session.read(query)));

  await pass(10);
  hasFailedOver = true;
  failedOverAt = performance.now() + RELIED_ON_MS + 1;
  for (const [index, { follows, lagsFor }] of replicas.entries()) {
    const isThere = () => performance.now() >= failedOverAt + lagsFor;
    const follower: Party = { timeline: 2, entries: () => (isThere() ? heir.entries() : fork) };
    if (follows) replicaPools[index]!.at = follower;
  }
  const primary: Pool = isSamePool ? pool : { at: heir };
  pool.at = heir;
  await pass(RELIED_ON_MS + 1);

  const served = await play(
    reads.map(async ({ way, source, beginsAt }, number): Promise<Served> => {
      await later(beginsAt);
      let report: ReadReport | undefined;
      const read = reader(primary, source, (each) => (report = each));
      const position = positionAt(source, { timeline: 1, entry: fork });
      const ask = async () => {
        switch (way) {
          case 'position':
            return read(query, { after: position });
          case 'now':
            return read(query, { after: 'now' });
          case 'cookie':
            return createCausalSession(read, { position }).read(query);
          case 'told': {
            const session = createCausalSession(read);
            session.wrote(position);
            return session.read(query);
          }
          case 'wrote': {
            const session = createCausalSession(read);
            session.wrote();
            return session.read(query);
          }
          default: {
            const onOutcome = (each: ReadReport) => void (report = each);
            const session = isSamePool ? before[number]! : undefined;
            const goesOn = createCausalSession(read, {
              position: await before[number]!.position(),
            });
            return (session ?? goesOn).read(query, { onOutcome });
          }
        }
      };
      const shown = await ask();
      if (report === undefined) throw new Error('There was no report.');
      return { shown, outcome: report.outcome };
    }),
  );
  return { served, primary: heir };
}

test(
  `no read after a failover shows what the new primary never had (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const property = fc.asyncProperty(failover, async (told) => {
      const { served } = await playFailover(told);
      const isStray = ({ shown }: Served) => shown.timeline === 1 && shown.entry > told.fork;
      expect(served.filter(isStray)).toEqual([]);
      for (const [index, { shown }] of served.entries()) {
        const { way } = told.reads[index]!;
        const needsAll = way === 'now' || way === 'wrote';
        expect(shown.entry).toBeGreaterThanOrEqual(told.fork + (needsAll ? told.written : 0));
      }
    });
    await fc.assert(property, RUNS);
  },
);

test(
  `a replica that follows the new primary in time serves each read (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const property = fc.asyncProperty(failover, async (told) => {
      fc.pre(told.replicas.some(({ follows, lagsFor }) => follows && lagsFor <= 90));
      const { served } = await playFailover(told);
      expect(served.map(({ outcome }) => outcome)).not.toContain('primary');
    });
    await fc.assert(property, RUNS);
  },
);

test(
  `no catch-up takes what another one knows of the same servers (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const two = fc.record({
      lagMs: fc.constantFrom(0, 30),
      reads: fc.array(
        fc.record({
          source: fc.constantFrom('a', 'b'),
          after: fc.constantFrom('now', undefined),
          inSession: fc.boolean(),
          beginsAt: fc.constantFrom(0, 3, 40),
        }),
        { minLength: 2, maxLength: 6 },
      ),
    });
    const property = fc.asyncProperty(two, async ({ lagMs, reads }) => {
      const catchesUpAt = performance.now() + lagMs;
      const { primary, replica } = pair(catchesUpAt);
      const catchUps = new Map(['a', 'b'].map((name) => [name, catchUpOf(name)]));
      const answers = await play(
        reads.map(async ({ source, after, inSession, beginsAt }) => {
          await later(beginsAt);
          const read = createReplicaFallback({
            primary,
            replica,
            catchUp: catchUps.get(source),
            retryMs: WINDOW_MS,
          });
          const session = createCausalSession(read);
          const answer = await (inSession ? session : { read }).read(findSecond, { after });
          const position = (await session.position()) ?? source;
          return [answer, position.charAt(0)];
        }),
      );
      expect(answers).toEqual(reads.map(({ source }) => ['there', source]));
    });
    await fc.assert(property, RUNS);
  },
);

/** The row that is the second entry of the log. */
const findSecond = async ({ at }: Pool) => (at.entries() >= 2 ? 'there' : undefined);

const stay: Manners['stay'] = async (isThere, timeoutMs) => {
  for (let waited = 0; waited < timeoutMs && !isThere(); waited++) await later(1);
  return isThere() ? 'reached' : 'behind';
};

/** A primary, and a replica that has what it has from a moment on. */
function pair(catchesUpAt: number, manners: Manners = {}, tells?: () => boolean) {
  const primary: Pool = { at: { timeline: 1, entries: () => 2 } };
  const entries = () => (performance.now() >= catchesUpAt ? 2 : 0);
  const replica: Pool = { at: { timeline: 1, entries, ...(tells && { tells }) } };
  return { primary, replica, catchUp: catchUpOf('a', manners) };
}

test(
  `a query that is lost costs nothing after ten seconds (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const lost = fc.record({
      what: fc.constantFrom('position', 'look'),
      gapMs: fc.integer({ min: 10_000, max: 59_000 }),
      reads: fc.integer({ min: 1, max: 5 }),
    });
    const property = fc.asyncProperty(lost, async ({ what, gapMs, reads }) => {
      let isLost = false;
      const loseOnce = async <T>(answer: T): Promise<T> => {
        if (isLost) return answer;
        isLost = true;
        return new Promise(() => {});
      };
      const options = pair(NEVER, { [what]: loseOnce });
      const outcomes: string[] = [];
      const ask = (after: string) =>
        createReplicaFallback({
          ...options,
          retryMs: WINDOW_MS,
          onOutcome: ({ outcome }) => void outcomes.push(outcome),
        })(async ({ at }) => at.entries(), { after });
      await play([ask('now')]);
      await pass(gapMs);
      // It has long caught up, and is 30 ms behind what was written since.
      const there = performance.now() + 30;
      options.primary.at = { timeline: 1, entries: () => 3 };
      options.replica.at = {
        timeline: 1,
        entries: () => (performance.now() >= there ? 3 : 2),
      };
      outcomes.length = 0;
      await play(Array.from({ length: reads }, () => ask('now')));
      expect(outcomes).not.toContain('primary');
    });
    await fc.assert(property, RUNS);
  },
);

test('a session whose position waits for a query that is lost is told by the next one', async () => {
  let isLost = false;
  const position = async (answer: string): Promise<string> => {
    if (isLost) return answer;
    isLost = true;
    return new Promise(() => {});
  };
  const options = pair(0, { position });
  const read = createReplicaFallback({ ...options, retryMs: WINDOW_MS });
  const session = createCausalSession(read);
  session.wrote();
  const ends: string[] = [];
  void session.position().then(
    () => ends.push('told'),
    () => ends.push('rejected'),
  );
  await pass(70_000);
  await play([read(async ({ at }) => at.entries(), { after: 'now' })]);
  await pass(70_000);
  expect(ends).toHaveLength(1);
});

test(
  `no read waits for longer than its window, when a position becomes unknown (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const unknown = fc.record({
      from: fc.integer({ min: 0, max: WINDOW_MS }),
      after: fc.boolean(),
    });
    const property = fc.asyncProperty(unknown, async ({ from, after }) => {
      const since = performance.now();
      const options = pair(NEVER, {}, () => performance.now() < since + from);
      const durations: number[] = [];
      const read = createReplicaFallback({
        ...options,
        retryMs: { min: WINDOW_MS, max: WINDOW_MS },
        onOutcome: ({ durationMs }) => void durations.push(durationMs),
      });
      await play([read(findSecond, after ? { after: 'now' } : {})]);
      expect(Math.max(...durations)).toBeLessThanOrEqual(WINDOW_MS + 1);
    });
    await fc.assert(property, RUNS);
  },
);

test(
  `a read is served as soon as it can be, whoever else waits (seed ${SEED})`,
  { retry: 0, timeout: 120_000 },
  async () => {
    const crowd = fc.record({
      waitsOnServer: fc.boolean(),
      longWindowMs: fc.constantFrom(1_000, 5_000),
      shorts: fc.array(
        fc.record({
          windowMs: fc.constantFrom(60, 200),
          beginsAt: fc.integer({ min: -40, max: 40 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      first: fc.constantFrom(500, 800),
      second: fc.integer({ min: 0, max: 60 }),
    });
    const property = fc.asyncProperty(crowd, async (told) => {
      const { waitsOnServer, longWindowMs, shorts, first } = told;
      const since = performance.now();
      const firstAt = since + first;
      const secondAt = firstAt + told.second;
      const entries = () =>
        Number(performance.now() >= firstAt) + Number(performance.now() >= secondAt);
      const primary: Pool = { at: { timeline: 1, entries: () => 3 } };
      const replica: Pool = { at: { timeline: 1, entries } };
      const catchUp = catchUpOf('a', waitsOnServer ? { stay } : {});
      const ask = async (entry: number, rowAt: number, windowMs: number, beginsAt: number) => {
        await later(beginsAt);
        let outcome: string | undefined;
        const read = createReplicaFallback({
          primary,
          replica,
          catchUp,
          retryMs: windowMs,
          onOutcome: (report) => void ({ outcome } = report),
        });
        const after = positionAt('a', { timeline: 1, entry });
        await read(async ({ at }) => (at.entries() >= rowAt ? 'there' : undefined), { after });
        return outcome;
      };
      // It gets what it has asked for first, and then waits on for the row.
      const long = ask(1, 3, longWindowMs, 0);
      const outcomes = await play([
        ...shorts.map(({ windowMs, beginsAt }) => ask(2, 2, windowMs, first + beginsAt)),
        long,
      ]);
      const late = shorts.filter(({ windowMs, beginsAt }, index) => {
        const leftMs = firstAt + beginsAt + windowMs - secondAt;
        return leftMs >= windowMs / 2 && outcomes[index] === 'primary';
      });
      expect(late).toEqual([]);
    });
    await fc.assert(property, RUNS);
  },
);
