import type { Attributes, Meter } from '@opentelemetry/api';
import type { Kysely } from 'kysely';
import type { Outcome, ReadReport, ReplicaFallbackLogger } from 'kysely-replica-fallback';
import { inMemoryMetrics } from './in-memory-metrics.ts';
import type { ReplicatedDatabase } from './replicated-database.ts';
import { recordingLogger } from './recording-logger.ts';

/** All that there is to see of the reads with these options. */
interface Sight {
  readonly outcomes: readonly Outcome[];
  /** How many queries ran on each client. */
  readonly asked: { readonly replica: number; readonly primary: number };
  /** The points of the counter of misses. */
  readonly misses: readonly (readonly [Attributes, number])[];
  /** The log's lines: `'warn'`, or `'error during …'`. */
  readonly logged: readonly string[];
}

interface Watched<DB> {
  readonly options: {
    readonly primary: Kysely<DB>;
    readonly replica: Kysely<DB>;
    readonly retryMs: number;
    readonly meter: Meter;
    readonly logger: ReplicaFallbackLogger;
    readonly onOutcome: (report: ReadReport) => void;
  };
  readonly see: () => Promise<Sight>;
  /** The names of all instruments that something was counted with. */
  readonly instruments: () => Promise<string[]>;
}

/** The options of a read that hardly waits, and everything that can be seen of it from outside. */
export function watch<DB>({ primary, replica }: ReplicatedDatabase<DB>): Watched<DB> {
  const before = { replica: replica.queries.length, primary: primary.queries.length };
  const { meter, collect } = inMemoryMetrics();
  const logger = recordingLogger();
  const outcomes: Outcome[] = [];
  return {
    options: {
      primary: primary.db,
      replica: replica.db,
      retryMs: 1,
      meter,
      logger,
      onOutcome: ({ outcome }) => void outcomes.push(outcome),
    },
    see: async () => ({
      outcomes,
      asked: {
        replica: replica.queries.length - before.replica,
        primary: primary.queries.length - before.primary,
      },
      misses: (await collect())['replica_fallback.replica_miss']?.points ?? [],
      logged: logger.lines.map(({ level, fields: { failedDuring } }) =>
        failedDuring === undefined ? level : `${level} during ${failedDuring}`,
      ),
    }),
    instruments: async () => Object.keys(await collect()),
  };
}
