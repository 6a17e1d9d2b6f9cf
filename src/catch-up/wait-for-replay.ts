import { setDeadline } from '../deadline.ts';
import { onAbort } from '../on-abort.ts';
import type { PositionSource } from './position-source.ts';
import type { PrimaryPositions } from './primary-positions.ts';
import { watchOver } from './replica-watch.ts';
import type { WatchEnd } from './waiter.ts';

/** How a wait for replicas ended: with the one that is there, or without any. */
export type Arrival<Client> =
  | { readonly end: 'caught_up'; readonly replica: Client }
  | { readonly end: 'late' | 'hopeless' | 'unknown' };

/** What to wait for, and how long. */
export interface ReplayWait<Client> {
  readonly source: PositionSource<Client>;
  readonly replicas: readonly Client[];
  readonly positions: PrimaryPositions;
  readonly target: string;
  readonly windowMs: number;
  /** When the window began, on the clock of `performance.now()`. */
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  /** Called whenever a replica is asked how far it has come. */
  readonly onLook: () => void;
}

/** Waits until one of the replicas has replayed the target, or none can make it within the window. */
export function waitForReplay<Client>(wait: ReplayWait<Client>): Promise<Arrival<Client>> {
  const { source, replicas, positions, target, windowMs, since, signal, onLook } = wait;
  const leaves: (() => void)[] = [];
  const arrival = new Promise<Arrival<Client>>((resolve, reject) => {
    signal?.throwIfAborted();
    leaves.push(onAbort(signal, () => reject(signal?.reason)));
    const leftMs = Math.max(0, since + windowMs - performance.now());
    leaves.push(setDeadline(leftMs, () => resolve({ end: 'late' })));

    let watched = replicas.length;
    let someAreHopeless = false;
    for (const replica of replicas) {
      const watch = watchOver(source, replica);
      const judge = (replayed: string, askedAt: number) => {
        const reach = source.compare(replayed, target);
        if (reach !== 'behind') return reach;
        const newest = watch.newestOf(replayed, source);
        const isHopeless = positions.isBehind(askedAt - windowMs, newest, target, source);
        return isHopeless ? 'hopeless' : reach;
      };
      const look = async () => {
        onLook();
        return source.replayed(replica);
      };
      const stay = (timeoutMs: number) => {
        try {
          const answer = source.whenReplayed?.(replica, target, timeoutMs) ?? undefined;
          if (answer === undefined) return undefined;
          onLook();
          return Promise.resolve(answer); // of a source in JavaScript, it may be a plain value
        } catch (error) {
          return Promise.reject(error);
        }
      };
      const end = (how: WatchEnd): void => {
        if (how === 'caught_up') return resolve({ end: how, replica });
        watched--;
        someAreHopeless ||= how === 'hopeless';
        if (watched === 0) resolve({ end: someAreHopeless ? 'hopeless' : 'unknown' });
      };
      leaves.push(watch.join({ since, windowMs, target, source, look, stay, judge, end }));
    }
    if (watched === 0) resolve({ end: 'unknown' });
  });
  return arrival.finally(() => {
    for (const leave of leaves) leave();
  });
}
