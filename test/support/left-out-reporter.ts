import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** Downloads what it tests, so that it is a command of its own. */
const VERSIONS = 'versions';

/** Says at the end, where nobody overlooks it, what did not run, and how to run it. */
export default class LeftOutReporter implements Reporter {
  readonly #leftOut: string[] = [];

  onInit({ config, projects }: Vitest): void {
    const ran = new Set(projects.map(({ name }) => name));
    for (const project of config.projects ?? []) {
      const name = typeof project === 'object' && 'test' in project && project.test?.name;
      if (typeof name === 'string' && name !== VERSIONS && !ran.has(name)) this.#leftOut.push(name);
    }
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const line of new Set(modules.flatMap(notesOf))) process.stdout.write(`${line}\n`);
    if (process.env['npm_lifecycle_event'] === 'test') {
      process.stdout.write(
        `Not run: ${this.#leftOut.join(', ')}. Run everything with \`npm run test:all\`.\n`,
      );
    }
  }
}

/** What tests say that skipped themselves, and others. */
function notesOf(module: TestModule): string[] {
  const notes: string[] = [];
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === 'skipped' && result.note !== undefined) notes.push(result.note);
    for (const { message } of test.annotations()) notes.push(message);
  }
  return notes;
}
