import * as fc from 'fast-check';
import type { Kysely } from 'kysely';
import {
  createSnapshotsSince,
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotPage,
  type SnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, addWaitpoints } from '../../support/snapshot-fixtures.ts';

const SEED = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_SEED'] ?? Date.now() % 2 ** 31);
const LIMITS = [1, 2, 3, 7, undefined];

type Client = Kysely<SnapshotTables>;
type Ask = (since: SnapshotsSince) => Promise<SnapshotPage>;

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

/** Polls as the documents say. */
class Runner {
  /** Of each snapshot whose waitpoints have come: what came last. */
  readonly waitpoints = new Map<string, readonly string[]>();
  readonly #ask: Ask;
  readonly #runId: string;
  /** Whether it says which waitpoints it has. */
  readonly #tells: boolean;
  #snapshotId: string;
  #waitpointsOf: string | undefined;

  constructor(ask: Ask, runId: string, snapshotId: string, tells: boolean) {
    this.#ask = ask;
    this.#runId = runId;
    this.#snapshotId = snapshotId;
    this.#tells = tells;
  }

  async poll(limit: number | undefined): Promise<SnapshotPage> {
    const page = await this.#ask({
      runId: this.#runId,
      snapshotId: this.#snapshotId,
      limit,
      waitpointsOf: this.#tells ? this.#waitpointsOf : undefined,
    });
    const { snapshots, hasMore, newest = hasMore ? undefined : snapshots.at(-1) } = page;
    this.#snapshotId = snapshots.at(-1)?.id ?? this.#snapshotId;
    if (newest === undefined) return page;
    const ids = newest.completedWaitpoints.map(({ id }) => id);
    this.waitpoints.set(newest.id, ids);
    if (ids.length === newest.completedWaitpointOrder.length) this.#waitpointsOf = newest.id;
    return page;
  }

  async pollToTheEnd(limit: number | undefined): Promise<void> {
    while ((await this.poll(limit)).hasMore);
  }
}

/** A run that is written to. Its snapshots are named by when they came. */
class Run {
  readonly id: string;
  readonly first: string;
  #count = 0;

  constructor(id: string) {
    this.id = id;
    this.first = this.#nameOf(0);
  }

  /** A snapshot, with waitpoints of its own, two at each moment. */
  async add(db: Client, waitpoints = 0): Promise<void> {
    const at = this.#count++;
    const id = this.#nameOf(at);
    const order = Array.from({ length: waitpoints }, (_, n) => `${id} w${n}`);
    await db.transaction().execute(async (trx) => {
      const snapshot = { id, at: Math.floor(at / 2), completedWaitpointOrder: order };
      await addSnapshots(this.id, snapshot)(trx);
      if (waitpoints > 0) await addWaitpoints(id, ...order)(trx);
    });
  }

  async mark(db: Client, place: number, isValid: boolean): Promise<void> {
    const id = this.#nameOf(Math.floor(place * this.#count));
    const change = db.updateTable('execution_snapshot').set({ is_valid: isValid });
    await change.where('id', '=', id).execute();
  }

  /** What a runner has of the waitpoints of the newest valid snapshot, and what there is. */
  async compare({ waitpoints }: Runner) {
    const newest = await database.primary.db
      .selectFrom('execution_snapshot')
      .select(['id', 'completed_waitpoint_order as order'])
      .where('run_id', '=', this.id)
      .where('is_valid', '=', true)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .executeTakeFirst();
    const { id = '', order = [] } = newest ?? {};
    return { has: waitpoints.get(id) ?? [], order };
  }

  #nameOf(place: number): string {
    return `${this.id} ${String(place).padStart(4, '0')}`;
  }
}

describe('a runner that polls from the last snapshot that it got', () => {
  const { db } = database.primary;
  const onPrimary: Ask = (since) => getSnapshotsSince(db, since);

  test.for([true, false])(
    'gets the waitpoints of a snapshot that becomes the newest when it knows it, and tells which it has: %s',
    async (tells) => {
      const run = new Run(`cut ${tells}`);
      for (const waitpoints of [0, 2, 1]) await run.add(db, waitpoints);
      const runner = new Runner(onPrimary, run.id, run.first, tells);

      expect(await runner.poll(1)).toMatchObject({ hasMore: true });
      await run.mark(db, 0.99, false);

      expect(await runner.poll(1)).toMatchObject({ snapshots: [], hasMore: false });
      expect([...runner.waitpoints.values()]).toEqual([
        [`cut ${tells} 0001 w0`, `cut ${tells} 0001 w1`],
      ]);
    },
  );

  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.nat(2) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        mark: fc.double({ min: 0, max: 0.99, noNaN: true }),
        isValid: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ limit: fc.constantFrom(...LIMITS) }) },
  );
  let runs = 0;

  test(`has those of the newest valid snapshot at the end of each poll, whatever becomes invalid (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(
      fc.boolean(),
      fc.array(step, { maxLength: 40 }),
      async (tells, steps) => {
        const run = new Run(`run ${runs++}`);
        await run.add(db, 1);
        const runner = new Runner(onPrimary, run.id, run.first, tells);
        const ends: Awaited<ReturnType<Run['compare']>>[] = [];
        for (const next of [...steps, { limit: 1 }, { limit: undefined }]) {
          if ('add' in next) await run.add(db, next.add);
          else if ('mark' in next) await run.mark(db, next.mark, next.isValid);
          else if (!(await runner.poll(next.limit)).hasMore) ends.push(await run.compare(runner));
        }
        expect(ends.map(({ has }) => has)).toEqual(ends.map(({ order }) => order));
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  test(
    'has them in the end, while others write, and the replica lags',
    { timeout: 120_000 },
    async () => {
      const run = new Run('busy');
      await database.write((client) => run.add(client, 1));
      const since = createSnapshotsSince({ primary: db, replica: database.replica.db, retryMs: 5 });
      const runners = LIMITS.flatMap((limit) =>
        [true, false].map((tells) => ({
          limit,
          runner: new Runner((question) => since(question), run.id, run.first, tells),
        })),
      );
      const writing = { isOver: false };
      const write = async () => {
        for (let n = 0; n < 40; n++) await run.add(db, n % 3);
        writing.isOver = true;
      };
      const mark = async () => {
        for (let n = 1; !writing.isOver; n++)
          await run.mark(db, ((n * 0.618) % 1) ** 0.25, n % 5 === 0);
      };
      const polls = runners.map(async ({ runner, limit }) => {
        while (!writing.isOver) await runner.poll(limit);
      });
      await Promise.all([write(), mark(), ...polls]);
      await run.mark(db, 0.99, false);
      await database.catchUp();

      for (const { runner, limit } of runners) {
        await runner.pollToTheEnd(limit);
        const { has, order } = await run.compare(runner);
        expect(has).toEqual(order);
      }
    },
  );
});
