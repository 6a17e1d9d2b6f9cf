import { setTimeout as sleep } from 'node:timers/promises';
import { importPeer, PeerMissingError } from '../import-peer.ts';

const ENGINE_TIMEOUT_MS = 5_000;
const PULL_TIMEOUT_MS = 60_000;

/** Says why containers of the image cannot run here, or `undefined` when they can. Pulls the image if need be. */
export async function findContainerObstacle(image: string): Promise<string | undefined> {
  try {
    const { getContainerRuntimeClient, getReaper, ImageName } = await importPeer(
      'testcontainers',
      () => import('testcontainers'),
    );
    await importPeer('@testcontainers/postgresql', () => import('@testcontainers/postgresql'));

    const client = await within(ENGINE_TIMEOUT_MS, getContainerRuntimeClient());
    if (client === undefined) return 'no Docker engine answered';

    const name = ImageName.fromString(image);
    await within(PULL_TIMEOUT_MS, client.image.pull(name));
    // A pull that failed half-way resolves all the same.
    if (!(await within(ENGINE_TIMEOUT_MS, client.image.exists(name)))) {
      return `no image ${image}, and it could not be pulled`;
    }

    if ((await within(PULL_TIMEOUT_MS, getReaper(client))) === undefined) {
      return 'the clean-up container of testcontainers did not start';
    }
    return undefined;
  } catch (error) {
    if (error instanceof PeerMissingError) return `${error.peer} is not installed`;
    throw error;
  }
}

/** `undefined` when the promise rejects or takes longer. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise.catch(() => undefined),
      sleep(timeoutMs, undefined, { signal: timer.signal }),
    ]);
  } finally {
    timer.abort();
  }
}
