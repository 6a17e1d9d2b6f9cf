export type { Attempt, AttemptContext, AttemptSource, ReplicaQuery } from './attempt.ts';
export type { ErrorClassifier, IsMiss, MissClassifier, MissTest } from './classifier.ts';
export { createReplicaFallback, type ReplicaFallback } from './create-replica-fallback.ts';
export {
  InvalidOptionError,
  InvalidPositionError,
  NotPrimaryError,
  PrimaryBudgetExceededError,
  ReplicaBehindError,
  ReplicaTimeoutError,
} from './errors.ts';
export type { CatchUp, Floor, InformedRead, PinnedQuery } from './informed-read.ts';
export { anyOf, attempted, type ErrorClass, noRow, noRows, returned, thrown } from './miss.ts';
export type { ReadOverrides, ReplicaFallbackOptions, TransactionOf } from './options.ts';
export {
  createPrimaryBudget,
  type PrimaryBudget,
  type PrimaryBudgetOptions,
} from './primary-budget.ts';
export type {
  CatchUpEnd,
  CatchUpReport,
  Outcome,
  ReadReport,
  RecoveryCause,
  RecoveryReport,
  ReplicaFallbackLogger,
} from './read-report.ts';
export type { Recovery, RetryBounds, RetryMs, RetryPolicy } from './retry-policy.ts';
export { withReplicaFallback } from './with-replica-fallback.ts';
export {
  type ByKeyOptions,
  type ByKeyOverrides,
  type ByKeyQuery,
  type RowKey,
  withReplicaFallbackByKey,
} from './with-replica-fallback-by-key.ts';
