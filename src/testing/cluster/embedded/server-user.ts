import { readFile } from 'node:fs/promises';

/** The ids of a user and its group. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. Root lends its servers to `postgres` or else to `nobody`; everyone else is asked
 * to run them as themselves, with `undefined`.
 */
export async function findServerUser(): Promise<ServerUser | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const entries = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = entries.find(([user]) => user === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody` to run it as.',
  );
}
