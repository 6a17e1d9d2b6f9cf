export {
  type CausalSession,
  type CausalSessionOptions,
  createCausalSession,
} from './causal-session.ts';
export { createCatchUp } from './create-catch-up.ts';
export type { PositionSource, Reach } from './position-source.ts';
