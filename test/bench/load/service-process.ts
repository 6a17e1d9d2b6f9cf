import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DatabaseUrls } from '../../../examples/snapshots-service/service/config.ts';

/** The example's service, in a process of its own. */
export interface ServiceProcess extends AsyncDisposable {
  readonly url: string;
  /** The bytes of all that it still needs. */
  heapBytes(): Promise<number>;
}

const MAIN = fileURLToPath(new URL('service-main.ts', import.meta.url));

/** @param enabled - whether it may read from the replica */
export async function startServiceProcess(
  urls: DatabaseUrls,
  enabled: boolean,
): Promise<ServiceProcess> {
  const child = fork(MAIN, [JSON.stringify({ urls, enabled })]);
  const end = once(child, 'exit').then(() => Promise.reject(new Error('The service has ended.')));
  end.catch(() => {}); // at last it is meant
  const hear = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, 'message'), end]);
    return message;
  };
  const url = String(await hear());
  return {
    url,
    async heapBytes() {
      child.send('heap');
      return Number(await hear());
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await end.catch(() => {});
    },
  };
}
