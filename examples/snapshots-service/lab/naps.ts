/** Waits that can all be ended early. */
export interface Naps {
  /** Resolves after the given time, or when all are woken. `Infinity` waits for that. */
  readonly nap: (milliseconds: number) => Promise<void>;
  readonly wakeAll: () => void;
}

export function createNaps(): Naps {
  const wakers = new Set<() => void>();
  return {
    nap: (milliseconds) =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          wakers.delete(wake);
          resolve();
        };
        const timer = Number.isFinite(milliseconds) ? setTimeout(wake, milliseconds) : undefined;
        wakers.add(wake);
      }),
    wakeAll() {
      for (const wake of wakers) wake();
    },
  };
}
