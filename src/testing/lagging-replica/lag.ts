import type { Kysely, KyselyPlugin, QueryId } from 'kysely';
import { type Substitute, substituteTables } from './substitute-tables.ts';

/** What an answer of a stand-in showed: its tables as they lag, or as they are. */
export type LaggingReplicaAnswer = 'lagging' | 'caught_up';

/** When a lag is over, if nobody ends it. */
export interface LagEnd {
  readonly afterAttempts: number;
  readonly afterMs: number;
}

/** One lag, from its beginning, and what was read of it. */
export class Lag {
  wasRead = false;
  readonly answers: LaggingReplicaAnswer[] = [];
  readonly substitutes: readonly Substitute[];
  /** How many positions had been taken when it began. */
  readonly begunAfter: number;
  readonly #end: LagEnd;
  readonly #begunAt = performance.now();
  #ended = false;

  constructor(substitutes: readonly Substitute[], end: LagEnd, begunAfter: number) {
    this.substitutes = substitutes;
    this.begunAfter = begunAfter;
    this.#end = end;
  }

  catchUp(): void {
    this.#ended = true;
  }

  /** Asked at each read, so that there is no timer to be left behind. */
  get shows(): LaggingReplicaAnswer {
    const isOver =
      this.#ended ||
      this.answers.length >= this.#end.afterAttempts ||
      this.#ageMs >= this.#end.afterMs;
    return isOver ? 'caught_up' : 'lagging';
  }

  /** A test's clock starts at 0 again, under a lag that is older: it counts from there. */
  get #ageMs(): number {
    const now = performance.now();
    return now < this.#begunAt ? now : now - this.#begunAt;
  }
}

/** Shows queries the lag that there is when they are compiled. */
export function lagPlugin(currentLag: () => Lag): KyselyPlugin {
  const answered = new WeakMap<QueryId, () => void>();
  const plugin: KyselyPlugin = {
    transformQuery({ node, queryId }) {
      const lag = currentLag();
      const shown = lag.shows;
      const substituted = substituteTables(node, lag.substitutes);
      if (substituted.touched) {
        lag.wasRead = true;
        answered.set(queryId, () => void lag.answers.push(shown));
      }
      return shown === 'lagging' ? substituted.node : node;
    },
    // Not before: of a subquery, and of a query that is only compiled, there is no result.
    async transformResult({ queryId, result }) {
      answered.get(queryId)?.();
      answered.delete(queryId); // a stream has many results
      return result;
    },
  };
  lagByPlugin.set(plugin, currentLag);
  return plugin;
}

const lagByPlugin = new WeakMap<KyselyPlugin, () => Lag>();

/** The lags of a stand-in, and of what was made of it: a transaction, or another stand-in. */
export function lagsOf<DB>(client: Kysely<DB>): Lag[] {
  const { plugins } = client.getExecutor();
  return plugins.flatMap((plugin) => lagByPlugin.get(plugin)?.() ?? []);
}
