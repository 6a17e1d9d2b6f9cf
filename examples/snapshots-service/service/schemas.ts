import * as z from 'zod';

// The message of each schema is what the value has to be: `an integer from 1 to 1000`.

/** An object that has no other fields. */
export function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? names : 'an object'),
  });
}

/** An integer that is written in digits. */
export function integerText(min: number, max: number) {
  const expected = `an integer from ${min} to ${max}`;
  return z
    .string(expected)
    .refine((text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max, expected)
    .transform(Number);
}
