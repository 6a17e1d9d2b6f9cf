import { setDeadline } from '../deadline.ts';

/**
 * How long a server has to answer a small query before that counts as lost and may be replaced: a second, and twice as long after
 * each one that was lost. So one lost query costs a second, and a server that hangs a handful of connections a minute.
 */
export class Patience {
  #ms = SHORTEST_MS;
  #stop: (() => void) | undefined;

  /** Calls back when a query that was sent at a moment is lost, unless that is expected already. */
  expect(sentAt: number, onLost: () => void): void {
    this.#stop ??= setDeadline(Math.max(0, sentAt + this.#ms - performance.now()), () => {
      this.#stop = undefined;
      this.extend();
      onLost();
    });
  }

  /** Whether a query is lost that was sent at a moment. */
  isOver(sentAt: number): boolean {
    return performance.now() - sentAt >= this.#ms;
  }

  /** One was lost: the next one has twice the time. */
  extend(): void {
    this.#ms = Math.min(this.#ms * 2, LONGEST_MS);
  }

  /** The query need not be replaced, because nobody waits for it. */
  rest(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** The server has answered. */
  restore(): void {
    this.rest();
    this.#ms = SHORTEST_MS;
  }
}

const SHORTEST_MS = 1_000;
const LONGEST_MS = 60_000;
