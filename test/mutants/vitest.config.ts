import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { SOURCE } from '../../vitest.config.ts';

/** The first test that fails ends the run: those that failed for the mutant before this one, and then the quickest. */
class KillersFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = (file: TestSpecification): number => {
      const last = this.ctx.cache.getTestSpecificationResult(file);
      return last === undefined || last.failed ? 0 : last.duration + 1;
    };
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  resolve: { alias: SOURCE },
  test: {
    include: process.env['MUTANTS_TESTS']?.split(' ') ?? [],
    // The model's reads are too many for each mutant, and what others kill as well. The links are not of the code.
    exclude: ['test/unit/{model,readme-links}.test.ts'],
    testTimeout: 10_000,
    sequence: { sequencer: KillersFirst },
  },
});
