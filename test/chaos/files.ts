import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Server } from './server.ts';

/** What a server has written, where this process reaches it: not in a container. */
export interface Files {
  /** Keeps a copy of all files. The server has to be stopped. */
  keep(): Promise<void>;
  /** Puts the copy in their place. The server has to be stopped. */
  restore(): Promise<void>;
  /** The server will start as a standby. */
  makeStandby(): Promise<void>;
}

/** Those of a server that runs. */
export async function filesOf(server: Server): Promise<Files> {
  const [row] = await server.run('show data_directory');
  const directory = String(row?.['data_directory']);
  const kept = `${directory}.kept`;
  return {
    keep: () => copy(directory, kept),
    async restore() {
      await rm(directory, { recursive: true });
      await rename(kept, directory);
    },
    // Any file will do. A copy belongs to the user of the server.
    makeStandby: () => copy(join(directory, 'PG_VERSION'), join(directory, 'standby.signal')),
  };
}

async function copy(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-Rp', from, to]);
}
