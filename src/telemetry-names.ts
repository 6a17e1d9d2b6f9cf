// Every name and unit that leaves this package. One constant each, so that a bundle has only those that it uses.

/** The name and version under which the instruments are registered. */
export const SCOPE = { name: 'kysely-replica-fallback', version: '0.1.0' } as const;

export const READS = 'replica_fallback.reads';
export const MISSES = 'replica_fallback.replica_miss';
export const FAILURES = 'replica_fallback.replica_failure';
export const COALESCED = 'replica_fallback.coalesced';
export const RECOVERY_DURATION = 'replica_fallback.recovery.duration';
export const RECOVERY_EVENT = 'replica_fallback.recovery';
export const SPAN_PREFIX = 'replica_fallback.';
export const CATCH_UP_DURATION = 'replica_fallback.catch_up.duration';
export const POSITION_QUERIES = 'replica_fallback.position_queries';
export const WATCH_QUERIES = 'replica_fallback.watch_queries';

export const READ = '{read}';
export const QUERY = '{query}';
export const SECOND = 's';
