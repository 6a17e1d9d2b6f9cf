import { InvalidOptionError } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';

class Pool {
  readonly password = 'secret';
}

test('names the option, what was expected and the value', () => {
  const error = new InvalidOptionError('retryMs', 'a number', 'fast');

  expect(error.message).toBe('Expected `retryMs` to be a number, got "fast".');
  expect(error).toMatchObject({ option: 'retryMs', expected: 'a number', given: 'fast' });
});

test('is a TypeError with a name of its own', () => {
  const error = new InvalidOptionError('retryMs', 'a number', 'fast');

  expect(error).toBeInstanceOf(TypeError);
  expect(error.name).toBe('InvalidOptionError');
});

test.for([
  { kind: 'undefined', given: undefined, quoted: 'undefined' },
  { kind: 'null', given: null, quoted: 'null' },
  { kind: 'a number', given: -1.5, quoted: '-1.5' },
  { kind: 'NaN', given: Number.NaN, quoted: 'NaN' },
  { kind: 'a boolean', given: false, quoted: 'false' },
  { kind: 'a bigint', given: 5n, quoted: '5n' },
  { kind: 'a symbol', given: Symbol('s'), quoted: 'Symbol(s)' },
  { kind: 'a string', given: 'say "hi"\n', quoted: String.raw`"say \"hi\"\n"` },
  { kind: 'an empty string', given: '', quoted: '""' },
  { kind: 'a string of 100', given: 'x'.repeat(100), quoted: `"${'x'.repeat(100)}"` },
  { kind: 'a string of 101', given: 'x'.repeat(101), quoted: `"${'x'.repeat(100)}…"` },
  { kind: 'an array', given: ['secret', 'secret'], quoted: 'an array of length 2' },
  { kind: 'an object', given: { password: 'secret' }, quoted: 'an instance of Object' },
  { kind: 'an instance', given: new Pool(), quoted: 'an instance of Pool' },
  { kind: 'a promise', given: Promise.resolve('secret'), quoted: 'an instance of Promise' },
  {
    kind: 'an object without a prototype',
    given: Object.create(null) as unknown,
    quoted: 'an instance of Object',
  },
  {
    kind: 'an instance of a class without a name',
    given: Object.create({ constructor: (() => () => {})() }) as unknown,
    quoted: 'an instance of Object',
  },
  {
    kind: 'an instance of no class',
    given: Object.create({ constructor: undefined }) as unknown,
    quoted: 'an instance of Object',
  },
  {
    kind: 'an instance of a class whose name is no text',
    given: Object.create({ constructor: { name: Symbol('secret') } }) as unknown,
    quoted: 'an instance of Object',
  },
  {
    kind: 'a function whose name is a method',
    given: Object.defineProperty(() => {}, 'name', { value: () => 'secret' }),
    quoted: 'a function',
  },
  { kind: 'a function', given: function load() {}, quoted: 'the function load' },
  { kind: 'a function without a name', given: (() => () => {})(), quoted: 'a function' },
])('quotes $kind, and never what is inside', ({ given, quoted }) => {
  const { message } = new InvalidOptionError('primary', 'a database client', given);

  expect(message).toBe(`Expected \`primary\` to be a database client, got ${quoted}.`);
});
