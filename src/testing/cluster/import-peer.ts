/**
 * Imports an optional peer dependency, and says how to install it when it is not there. `load` is the `import()`
 * itself, so that bundlers and TypeScript see the specifier.
 */
export async function importPeer<Module>(
  name: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw new PeerMissingError(name, { cause });
  }
}

/** An optional peer dependency is needed and not installed. */
export class PeerMissingError extends Error {
  override readonly name = 'PeerMissingError';
  readonly peer: string;

  constructor(peer: string, options: ErrorOptions) {
    super(
      `The replication test bed needs the package \`${peer}\`, which is not installed. ` +
        `Install it with \`npm install --save-dev ${peer}\`.`,
      options,
    );
    this.peer = peer;
  }
}

function isNotFound(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}
