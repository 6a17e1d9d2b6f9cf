import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** The bytes of all that is still needed. */
export async function readHeapBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  await new Promise(setImmediate); // what has just been settled lets go of what it held
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
