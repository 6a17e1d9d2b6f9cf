import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, inject, test } from 'vitest';

test.for([
  ['the ladder', '{ createReplicaFallback, withReplicaFallback }', 8_800],
  ['all of the core', '*', 9_300],
] as const)(
  '%s is smaller than it may be, bundled and compressed, without its dependencies',
  async ([, names, most]) => {
    const core = join(inject('built'), 'dist/index.js');
    await using bundle = await rolldown({
      input: 'entry',
      external: ['@opentelemetry/api', 'p-retry'],
      plugins: [
        {
          name: 'entry',
          resolveId: (id) => (id === 'entry' ? id : undefined),
          load: (id) =>
            id === 'entry' ? `export ${names} from ${JSON.stringify(core)};` : undefined,
        },
      ],
    });
    const { output } = await bundle.generate({ minify: true });
    const bytes = brotliCompressSync(output[0].code).length;
    expect(bytes).toBeLessThan(most);
    expect(bytes).toBeGreaterThan(most / 2); // It is all there.
  },
);
