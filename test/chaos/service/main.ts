import { readConfig } from '../../../examples/snapshots-service/service/config.ts';
import {
  openDatabases,
  prepareTables,
} from '../../../examples/snapshots-service/service/databases.ts';
import { listen } from '../../../examples/snapshots-service/service/listen.ts';
import { createLog } from '../../../examples/snapshots-service/service/log.ts';
import { createService } from '../../../examples/snapshots-service/service/service.ts';
import { readHeapBytes } from '../../support/heap.ts';
import type { Command, Reply } from './messages.ts';

/** The example's service as a process of its own, which another one started and tells what to do. */

const config = readConfig(process.env);
if (config.databases === undefined) throw new Error('Expected `DATABASE_URL` to be set.');
const log = createLog(config.logLevel);
const databases = openDatabases(config.databases, log);
await prepareTables(databases, AbortSignal.timeout(30_000));
const server = await listen(createService(databases, config, log), 0);

// A terminal's Ctrl-C goes to all processes. This one ends when it is told to, or when nobody is left to tell.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit());
process.on('warning', ({ name, message }) => reply({ warning: `${name}: ${message}` }));
process.on('message', (command: Command) => void obey(command));
reply({ url: server.url });

async function obey(command: Command): Promise<void> {
  switch (command.name) {
    case 'block':
      // What a long garbage collection, or a large `JSON.parse`, does to everything else in the process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, command.ms);
      return;
    case 'read heap':
      return reply({ heapBytes: await readHeapBytes() });
    case 'close':
      await server.close();
      await databases.close(); // waits for each client that a pool has given out
      process.removeAllListeners('disconnect');
      process.disconnect(); // and then nothing is left that keeps the process
      return;
    default:
      return command satisfies never;
  }
}

function reply(message: Reply): void {
  process.send?.(message);
}
