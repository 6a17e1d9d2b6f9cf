export {
  type CausalSession,
  type CausalSessionOptions,
  createCausalSession,
} from '../catch-up/causal-session.ts';
export type { GtidClient } from './gtid-client.ts';
export { gtidCatchUp, type GtidCatchUpOptions } from './gtid-catch-up.ts';
export { gtidPosition } from './server-gtids.ts';
export { connectionLost, replicaUnavailable, schemaBehind } from './unavailable.ts';
