export {
  type CausalSession,
  type CausalSessionOptions,
  createCausalSession,
} from '../catch-up/causal-session.ts';
export type { DrizzleClient } from './clients/drizzle.ts';
export type { KyselyClient } from '../databases/kysely-client.ts';
export type { PgClient, PgPool } from './clients/pg.ts';
export type { WalClient, WalConnection } from './clients/wal-client.ts';
export { refusedByStandby } from './refused-by-standby.ts';
export {
  type ConnectionErrorListener,
  surviveConnectionErrors,
} from './survive-connection-errors.ts';
export {
  connectionLost,
  recoveryConflict,
  replicaUnavailable,
  schemaBehind,
} from './unavailable.ts';
export { walCatchUp, type WalCatchUpOptions } from './wal-catch-up.ts';
export { walPosition, type WalPositionOptions } from './wal-position.ts';
