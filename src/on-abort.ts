/** What is called when a signal aborts. */
class Listener {
  readonly #signal: AbortSignal;
  readonly #callbacks = new Set<() => void>();
  readonly #call = (): void => {
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(callback: () => void): void {
    if (this.#callbacks.size === 0) {
      this.#signal.addEventListener('abort', this.#call, { once: true });
    }
    this.#callbacks.add(callback);
  }

  delete(callback: () => void): void {
    if (!this.#callbacks.delete(callback) || this.#callbacks.size > 0) return;
    this.#signal.removeEventListener('abort', this.#call);
  }
}

/** One for each signal: Node.js takes the longer to remove a listener the more there are, and thousands of reads may have one signal. */
const listeners = new WeakMap<AbortSignal, Listener>();

/**
 * Calls back when the signal aborts. One that has aborted already does not call.
 *
 * @param callback - must not throw, and is not given twice
 * @returns takes it back. When nobody wants to hear of the signal any more, it has no listener.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined || signal.aborted) return () => {};
  let listener = listeners.get(signal);
  if (listener === undefined) {
    listener = new Listener(signal);
    listeners.set(signal, listener);
  }
  listener.add(callback);
  return () => listener.delete(callback);
}
