import { expect, test } from 'vitest';
import { startExample } from '../support/example/example-process.ts';

test('the quick start prints an outcome for each way in which a read can end', async () => {
  const example = startExample('orders-quick-start.ts');
  expect(await example.ended).toBe(0);
  expect(example.output.stderr).toBe('');
  expect(example.output.stdout.replaceAll(/\d+\.\d ms/g, '… ms')).toBe(
    [
      'order 1: replica, after … ms\n',
      'order 2: replica_retry, after … ms\n',
      'order 3: primary, after … ms\n',
      'order 4: not_found, after … ms\n',
    ].join(''),
  );
});
