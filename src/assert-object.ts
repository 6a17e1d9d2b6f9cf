import { InvalidOptionError, kindOf } from './errors.ts';
import { isObject } from './is-object.ts';

/** Throws an `InvalidOptionError` for anything but an object. */
export function assertObject(
  option: string,
  expected: string,
  given: unknown,
): asserts given is object {
  if (!isObject(given)) throw new InvalidOptionError(option, expected, given, kindOf(given));
}
