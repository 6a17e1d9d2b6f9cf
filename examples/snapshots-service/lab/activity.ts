/** Work that goes on as long as somebody wants it. */
export interface Activity {
  start(): void;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** @param work - goes on until its signal aborts, and then resolves soon */
export function createActivity(work: (signal: AbortSignal) => Promise<void>): Activity {
  let running: AbortController | undefined;
  let ended: Promise<void> = Promise.resolve();
  return {
    start() {
      if (running !== undefined) return;
      const { signal } = (running = new AbortController());
      // What was stopped a moment ago ends first: two of a kind would get in each other's way.
      ended = ended.then(() => (signal.aborted ? undefined : work(signal)));
    },
    async stop() {
      running?.abort();
      running = undefined;
      await ended;
    },
  };
}
