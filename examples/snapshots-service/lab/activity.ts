/** Work that goes on as long as somebody wants it. */
export interface Activity {
  readonly isRunning: boolean;
  start(): void;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** @param work - goes on until its signal aborts, and then resolves soon */
export function createActivity(work: (signal: AbortSignal) => Promise<void>): Activity {
  let running: AbortController | undefined;
  let ended: Promise<unknown> = Promise.resolve();
  return {
    get isRunning() {
      return running !== undefined;
    },
    start() {
      if (running !== undefined) return;
      running = new AbortController();
      ended = Promise.all([ended, work(running.signal)]);
    },
    async stop() {
      running?.abort();
      running = undefined;
      await ended;
    },
  };
}
