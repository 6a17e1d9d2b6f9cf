import { SCOPE } from './telemetry-names.ts';

/**
 * Keeps something for all copies of this package that a process has loaded. There are several when two packages bring one each.
 * What it keeps must never change its shape: the copies may be of any version.
 */
export function processWide<Kept extends object>(name: string, create: () => Kept): Kept {
  const key = Symbol.for(`${SCOPE.name}.${name}`);
  const shared: { [key: symbol]: Kept | undefined } = globalThis;
  let kept = shared[key];
  if (kept === undefined) {
    kept = create();
    Object.defineProperty(shared, key, { value: kept });
  }
  return kept;
}

/** The same for copies of one version. Those of another one keep their own. */
export function versionWide<Kept extends object>(name: string, create: () => Kept): Kept {
  return processWide(`${name}@${SCOPE.version}`, create);
}
