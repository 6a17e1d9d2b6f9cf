/** Changes that no test notices, and why none has to. */
interface Survivor {
  readonly file: string;
  /** The line that is changed, or the first of them. */
  readonly line: string;
  /** What a part of it becomes. */
  readonly becomes: readonly string[];
  readonly why: string;
}

const STRING = '"Stryker was here!"';
const LIST = '["Stryker was here"]';

export const SURVIVORS: readonly Survivor[] = [
  {
    file: 'src/coalesce.ts',
    line: 'this.#abandonment.abort(signal?.reason);',
    becomes: ['signal.reason'],
    why: 'A read without a signal waits until the query has landed.',
  },
  {
    file: 'src/coalesce.ts',
    line: "{ primary, operation, coalesceKey = '', signal: starter }: Destination<Client> & Departure,",
    becomes: [STRING],
    why: 'The default is for the compiler: a flight is started for a key alone.',
  },
  {
    file: 'src/create-replica-fallback.ts',
    line: 'return bound !== undefined;',
    becomes: ['true'],
    why: 'The check is for the compiler: `undefined` is returned either way.',
  },
  {
    file: 'src/deadline.ts',
    line: 'const onAbort = () => reject(signal?.reason);',
    becomes: ['signal.reason'],
    why: 'Nothing aborts without a signal.',
  },
  {
    file: 'src/deadline.ts',
    line: "signal?.addEventListener('abort', onAbort, { once: true });",
    becomes: ['{}', 'false'],
    why: 'A signal aborts once, and the listener is removed at the end.',
  },
  {
    file: 'src/run-query.ts',
    line: 'const abort = () => end.abort(signal?.reason);',
    becomes: ['signal.reason'],
    why: 'Nothing aborts without a signal.',
  },
  {
    file: 'src/run-query.ts',
    line: "signal?.addEventListener('abort', abort, { once: true });",
    becomes: ['{}', 'false'],
    why: 'A signal aborts once, and the listener is removed at the end.',
  },
  {
    file: 'src/instruments.ts',
    line: 'if (last?.owner === owner) return last.kept;',
    becomes: ['false'],
    why: 'The same, a little slower.',
  },
  {
    file: 'src/instruments.ts',
    line: 'last = { owner, kept };',
    becomes: ['{}'],
    why: 'The same, a little slower.',
  },
  {
    file: 'src/miss.ts',
    line: 'if (!attempt.ok) return false;',
    becomes: ['false'],
    why: 'The check is for the compiler: what threw has no value, and so no rows.',
  },
  {
    file: 'src/primary-budget.ts',
    line: 'if (tokens < ONE) return false;',
    becomes: ['tokens <= ONE'],
    why: 'No sum of tokens is exactly that number.',
  },
  {
    file: 'src/read-progress.ts',
    line: "return kind === 'miss' && !ending.ok && ending.error instanceof ReplicaBehindError;",
    becomes: ['true', "kind === 'miss' || !ending.ok"],
    why: 'A `ReplicaBehindError` is always judged a miss, and the rest is for the compiler.',
  },
  {
    file: 'src/read-progress.ts',
    line: 'if (this.#unanswered === undefined) return;',
    becomes: ['false'],
    why: 'The check is for the compiler: a read is rejected only when it needs the primary.',
  },
  {
    file: 'src/replicas.ts',
    line: 'const replicas = isList(replica) ? replica : replica === undefined ? [] : [replica];',
    becomes: [LIST, 'false'],
    why: 'The check is for the compiler: a read without a replica is bypassed.',
  },
  {
    file: 'src/after-delay.ts',
    line: "const MISS = new Error('The replica missed.');",
    becomes: ['""'],
    why: 'Nobody but p-retry sees it.',
  },
  {
    file: 'src/coalesce.ts',
    line: 'if (coalesceKey === undefined) return undefined;',
    becomes: ['false'],
    why: 'No query is shared under the name of none. The same, a little slower.',
  },
  {
    file: 'src/read-progress.ts',
    line: "this.#verdict = { kind: 'error', ending: { ok: false, error } };",
    becomes: ['""'],
    why: 'What is neither an answer, nor a miss, nor rejected is an error.',
  },
  {
    file: 'src/read-progress.ts',
    line: "if (kind === 'answer' && this.#source !== undefined) return this.#source;",
    becomes: ['true'],
    why: 'The check is for the compiler: an answer has a source.',
  },
  {
    file: 'src/read-progress.ts',
    line: "return kind === 'rejected' ? kind : 'error';",
    becomes: ['true'],
    why: 'The check is for the compiler: no read ends with a failure.',
  },
  {
    file: 'src/read.ts',
    line: 'if (floor === undefined || catchUp === undefined) return query;',
    becomes: ['false'],
    why: 'The check is for the compiler: a floor comes from a catch-up.',
  },
  {
    file: 'src/read.ts',
    line: 'if (ending.ok || isReason(ending.error, signal)) return false;',
    becomes: ['ending.ok && isReason(ending.error, signal)'],
    why: 'The check is for the compiler: an answer is no error, so it is not that of an abort.',
  },
  {
    file: 'src/retry-policy.ts',
    line: 'let isOpen = true;',
    becomes: ['false'],
    why: 'It is set before it is read.',
  },
  {
    file: 'src/retry-policy.ts',
    line: 'delays: readonly number[] = [DEFAULT_BOUNDS.max],',
    becomes: ['[]'],
    why: 'Without a wait, the primary has as long to say where it is.',
  },
  {
    file: 'src/telemetry.ts',
    line: 'logger !== undefined ||',
    becomes: ['true'],
    why: 'The clock is read in vain, which costs a hit next to nothing.',
  },
  {
    file: 'src/with-replica-fallback.ts',
    line: "if (verdict.kind === 'answer') {",
    becomes: ['false', '""', '{}'],
    why: 'A hit ends the same as a read that recovers, but faster.',
  },
  {
    file: 'src/with-replica-fallback.ts',
    line: 'if (after !== undefined) await catchUp?.begin(read, longestWait(retryMs));',
    becomes: ['catchUp.begin'],
    why: 'The check is for the compiler: `after` needs `catchUp`.',
  },
  {
    file: 'src/with-replica-fallback.ts',
    line: 'if (read.recovery === undefined) return;',
    becomes: ['false'],
    why: 'The check is for the compiler: a read that has missed recovers.',
  },
  {
    file: 'src/with-replica-fallback.ts',
    line: "return isObject(client) && 'isTransaction' in client && client.isTransaction === true;",
    becomes: ['true', "isObject(client) || 'isTransaction' in client"],
    why: 'The checks are for the compiler: a client that is a function has no such property.',
  },
  {
    file: 'src/databases/sql-client.ts',
    line: "if (outcome === undefined) throw new Error('The transaction ran nothing.');",
    becomes: ['false', '""'],
    why: 'The check is for the compiler: a transaction that resolves has run.',
  },
  {
    file: 'src/postgres/primary-position.ts',
    line: "const flushed = await selectText(primary, FLUSHED_POSITION, 'primary').catch(() => undefined);",
    becomes: ['""'],
    why: 'The name is for the error of an unknown client, which the statement before has thrown.',
  },
  {
    file: 'src/postgres/replayed-position.ts',
    line: "const [lsn = '', server = '', version, timeline = ''] = text.split(' ');",
    becomes: [STRING],
    why: 'The defaults are for the compiler: the server gives all parts that are used.',
  },
  {
    file: 'src/postgres/wal-position.ts',
    line: "return has.lsn.length > needs.lsn.length ? 'reached' : 'behind';",
    becomes: ['has.lsn.length >= needs.lsn.length'],
    why: 'They are not equally long here.',
  },
  {
    file: 'src/postgres/wal-position.ts',
    line: "return has.lsn > needs.lsn ? 'reached' : 'behind';",
    becomes: ['has.lsn >= needs.lsn'],
    why: 'They are not equal here.',
  },
  {
    file: 'src/postgres/wal-position.ts',
    line: 'const [, timeline, lsn, server] = POSITION.exec(position) ?? [];',
    becomes: [LIST],
    why: 'The first item, which is the whole match, is not used.',
  },
  {
    file: 'src/postgres/wal-position.ts',
    line: 'if (timeline === undefined || lsn === undefined) throw new InvalidPositionError(position);',
    becomes: ['timeline === undefined && lsn === undefined', 'false'],
    why: 'A match has both, and where there is none, both are undefined.',
  },
];
