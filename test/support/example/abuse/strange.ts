import * as fc from 'fast-check';

/** UTF-8, with a character for each byte. */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Nearly always the usual value. */
export function mostly<T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fc.constant(usual), weight: 12 }, other);
}

/** Any bytes, with a character for each. */
export const bytes = fc
  .uint8Array({ maxLength: 200 })
  .map((given) => Buffer.from(given).toString('latin1'));

/** Text with any characters, as UTF-8. */
export const text = fc.string({ unit: 'binary' }).map(latin1);

/** What somebody has meant ill with before. */
const notorious = fc.oneof(
  fc.constantFrom('', '%', '%0', '%00', '%0A', '%0d%0a', '%E0%A4%A', '%c0%ae', '%ff', '%2e%2e'),
  fc.constantFrom('%2F', '..', '.', '*', ':runId', '\\', '\0', 'x\0', '"', "'; drop table x; --"),
  fc.constantFrom('{}', '[]', '__proto__', 'constructor', 'toString', 'null', '-1', '0', 'NaN'),
  fc.constantFrom('1e9', '9'.repeat(20), '00000000-0000-0000-0000-000000000000'),
);

const long = fc
  .tuple(fc.constantFrom('a', '%41', '%', '/', '../', '?', '=', '٣'), fc.nat(4_000))
  .map(([unit, times]) => latin1(unit.repeat(times)));

const encoded = fc.uint8Array({ maxLength: 50 }).map((given) =>
  Buffer.from(given)
    .toString('hex')
    .replaceAll(/../g, String.raw`%$&`),
);

/** A part of a line of a request. */
export const junk = fc.oneof(
  { arbitrary: notorious, weight: 3 },
  encoded,
  bytes.map((given) => given.replaceAll(/[\r\n]/g, '')),
  long,
);
