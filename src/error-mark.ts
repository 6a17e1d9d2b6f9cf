import { isObject } from './is-object.ts';
import { SCOPE } from './telemetry-names.ts';

/**
 * Lets `instanceof` know the errors of a class by a mark, which every copy of this package puts on its own. What is derived from
 * the class is known as any other class is.
 */
export function markErrors(
  errorClass: abstract new (...args: never[]) => Error,
  name: string, // a bundler may have shortened that of the class
): void {
  const mark = Symbol.for(`${SCOPE.name}.${name}`);
  Object.defineProperty(errorClass.prototype, mark, { value: true });
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: unknown, error: unknown): boolean {
      return this === errorClass
        ? isObject(error) && mark in error
        : Function.prototype[Symbol.hasInstance].call(this, error);
    },
  });
}
