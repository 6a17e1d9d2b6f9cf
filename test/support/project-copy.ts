import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LEFT_OUT = new Set(['node_modules', '.git', '.stryker-tmp', 'dist', 'artifacts']);

/** The project as somebody has it who has cloned and installed it, but built nothing. */
export function copyProject() {
  const root = mkdtempSync(join(tmpdir(), 'kysely-replica-fallback-copy-'));
  cpSync(ROOT, root, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(basename(path)),
  });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}
