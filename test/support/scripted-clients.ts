import type { AttemptContext, ReplicaQuery, RetryPolicy } from 'kysely-replica-fallback';

/** How a client answers when it is asked. */
export type Answer = (context: AttemptContext) => Promise<unknown>;

/** The answers of both clients, in the order in which they are asked for them. */
export interface Script {
  readonly replica?: readonly Answer[];
  readonly primary?: readonly Answer[];
}

interface ScriptedClient {
  readonly name: string;
  readonly answers: Answer[];
}

export function gives(value: unknown): Answer {
  return async () => value;
}

export function throws(error: unknown): Answer {
  return async () => {
    throw error;
  };
}

/** An answer that takes its time. */
export function slowly(ms: number, value: unknown): Answer {
  return () => new Promise((resolve) => setTimeout(resolve, ms, value));
}

/** An answer that `noRow` takes for a miss. */
export const misses: Answer = gives(undefined);

/** One retry, without a wait. */
export const AT_ONCE: RetryPolicy = { delays: () => [0] };

/** What `asked` holds when a read has climbed to the top. */
export const LADDER = ['replica as replica', 'replica as replica_retry', 'primary as primary'];

/** Two clients that answer by a script, the query that asks them, and a record of who was asked. */
export function scriptClients({ replica = [], primary = [] }: Script): {
  readonly clients: { readonly replica: ScriptedClient; readonly primary: ScriptedClient };
  readonly query: ReplicaQuery<ScriptedClient, unknown>;
  readonly asked: string[];
} {
  const asked: string[] = [];
  return {
    clients: {
      replica: { name: 'replica', answers: [...replica] },
      primary: { name: 'primary', answers: [...primary] },
    },
    query(db, context) {
      asked.push(`${db.name} as ${context.source}`);
      const answer = db.answers.shift();
      if (answer === undefined) throw new Error(`The script has no more for the ${db.name}.`);
      return answer(context);
    },
    asked,
  };
}

/** A script in which the `n`th attempt, counted from 1, gets this answer, and those before it are misses. */
export function scriptNthAttempt(n: number, answer: Answer): Script {
  const answers = [...Array<Answer>(n - 1).fill(misses), answer];
  return { replica: answers.slice(0, 2), primary: answers.slice(2) };
}
