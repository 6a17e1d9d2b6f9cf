/** What is called when a signal aborts. Nearly always it is one thing, and that must cost little. */
class Listener {
  readonly #signal: AbortSignal;
  #first: (() => void) | undefined;
  #others: Set<() => void> | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(callback: () => void): void {
    if (this.#first !== undefined || this.#others !== undefined) {
      this.#others ??= new Set();
      this.#others.add(callback);
      return;
    }
    this.#first = callback;
    this.#signal.addEventListener('abort', this, ONCE);
  }

  delete(callback: () => void): void {
    if (this.#first === callback) this.#first = undefined;
    else if (this.#others?.delete(callback) !== true) return;
    if (this.#others?.size === 0) this.#others = undefined;
    if (this.#first !== undefined || this.#others !== undefined) return;
    this.#signal.removeEventListener('abort', this);
  }

  handleEvent(): void {
    const callbacks = [this.#first, ...(this.#others ?? [])];
    this.#first = undefined;
    this.#others = undefined;
    for (const callback of callbacks) callback?.();
  }
}

const ONCE = { once: true };

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
