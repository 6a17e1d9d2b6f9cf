import { SCOPE } from './telemetry-names.ts';

/**
 * Keeps something for all copies of this package that a process has loaded. There are several when two packages bring one each.
 * What it keeps must never change its shape: the copies may be of any version.
 */
export function processWide<Kept extends object>(name: string, create: () => Kept): Kept {
  const key = Symbol.for(`${SCOPE.name}.${name}`);
  const kept: unknown = Reflect.get(globalThis, key);
  if (isKept<Kept>(kept)) return kept;
  const created = create();
  Object.defineProperty(globalThis, key, { value: created });
  return created;
}

/** The same for copies of one version. Those of another one keep their own. */
export function versionWide<Kept extends object>(name: string, create: () => Kept): Kept {
  return processWide(`${name}@${SCOPE.version}`, create);
}

/** By its name. */
function isKept<Kept>(kept: unknown): kept is Kept {
  return kept !== undefined;
}
