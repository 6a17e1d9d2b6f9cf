import { invalidOption } from './errors.ts';
import { isObject } from './is-object.ts';

/** Throws an `InvalidOptionError` for anything but an object. */
export function assertObject(
  option: string,
  expected: string,
  given: unknown,
): asserts given is object {
  if (!isObject(given)) throw invalidOption(option, expected, given);
}
