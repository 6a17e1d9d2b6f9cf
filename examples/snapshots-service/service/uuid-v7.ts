import { randomUUID } from 'node:crypto';

/** 48 bits of milliseconds, then 12 bits that count the ids of one millisecond. */
let last = 0n;

/**
 * A UUIDv7 that sorts after every one that this process made before. `crypto.randomUUIDv7()` does
 * not promise that within a millisecond, and a clock that is set back breaks it altogether, so this
 * counts on from the last id: https://www.rfc-editor.org/rfc/rfc9562#section-6.2 (method 1).
 */
export function uuidV7(): string {
  const now = BigInt(Date.now()) << 12n;
  last = now > last ? now : last + 1n;
  const time = last.toString(16).padStart(15, '0');
  const random = randomUUID().slice('xxxxxxxx-xxxx-4xxx'.length);
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${time.slice(12)}${random}`;
}
