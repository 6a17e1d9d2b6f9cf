import { InvalidOptionError } from './errors.ts';
import { SCOPE } from './telemetry-names.ts';

/** A property that says which version of this package has made something. */
const VERSION = Symbol.for(`${SCOPE.name}.version`);

/** Marks what other copies of this package may be given. */
export function markVersion(made: object): void {
  Object.defineProperty(made, VERSION, { value: SCOPE.version });
}

/**
 * Whether this version of the package has made it, in whichever copy.
 *
 * @throws InvalidOptionError if another version has: what the two know of each other may differ
 */
export function isOfThisVersion(option: string, given: unknown): boolean {
  const version: unknown = Reflect.get(Object(given), VERSION);
  if (typeof version !== 'string') return false;
  if (version === SCOPE.version) return true;
  const expected = `by the same version of ${SCOPE.name} (${SCOPE.version})`;
  throw new InvalidOptionError(option, expected, given, `one by version ${version}`);
}
