/** The newest of many things, each with a number that counts up from 1. Old ones fall out. */
export interface History<T> {
  /** The number of the newest one, or 0. */
  readonly last: number;
  add(item: T): void;
  /** Those after the one with the given number, oldest first, as far as they are still there. */
  after(number: number): T[];
}

/** @param capacity - how many it keeps */
export function createHistory<T>(capacity: number): History<T> {
  const ring: T[] = [];
  let last = 0;
  return {
    get last() {
      return last;
    },
    add(item) {
      ring[last % capacity] = item;
      last += 1;
    },
    after(number) {
      const first = Math.max(number, last - ring.length);
      return Array.from({ length: last - first }, (_, i) => ring[(first + i) % capacity]!);
    },
  };
}
