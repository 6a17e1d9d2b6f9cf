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
