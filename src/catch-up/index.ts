export { createCatchUp } from './create-catch-up.ts';
export type { PositionSource, Reach } from './position-source.ts';
