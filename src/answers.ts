import { isObject } from './is-object.ts';

/** The rows of a list, or of a raw result. `undefined` for any other answer. */
export function rowsOf(answer: unknown): readonly unknown[] | undefined {
  if (Array.isArray(answer)) return answer;
  return isObject(answer) && 'rows' in answer && Array.isArray(answer.rows)
    ? answer.rows
    : undefined;
}

/** Whether `null` or `undefined` could have come instead. A list, a count or a flag is there, whatever the replica lacks. */
export function mayBeARow(answer: unknown): boolean {
  switch (typeof answer) {
    case 'number':
    case 'bigint':
    case 'boolean':
      return false;
    case 'object':
      return rowsOf(answer) === undefined && !(answer instanceof Map || answer instanceof Set);
    default:
      return true;
  }
}

/** Its type in words, and nothing of what it holds. */
export function describeAnswer(answer: unknown): string {
  if (Array.isArray(answer)) return 'an array';
  if (rowsOf(answer) !== undefined) return 'a result with `rows`';
  if (isObject(answer)) return 'an object';
  return answer === undefined || answer === null ? `${answer}` : `a ${typeof answer}`;
}
