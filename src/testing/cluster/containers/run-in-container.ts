import type { StartedTestContainer } from 'testcontainers';

/** Runs a shell script as the user `postgres`. Rejects with what it printed when it fails. */
export async function runInContainer(
  container: StartedTestContainer,
  script: string,
): Promise<void> {
  const { exitCode, output } = await container.exec(['sh', '-c', script], { user: 'postgres' });
  if (exitCode !== 0) throw new Error(`In a container, \`${script}\` failed: ${output.trim()}`);
}
