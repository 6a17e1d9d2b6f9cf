import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { expect, inject, onTestFinished, test } from 'vitest';

const root = inject('built');

/** After a change that is meant: `npx vitest run test/package/api-report.test.ts --update`. */
test.each([
  ['.', 'index'],
  ['./catch-up', 'catch-up'],
  ['./mysql', 'mysql'],
  ['./postgres', 'postgres'],
  ['./snapshots', 'snapshots'],
  ['./testing', 'testing'],
])('the public surface of %s is the committed one', async (subpath, name) => {
  const folder = await mkdtemp(join(tmpdir(), 'api-report-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { succeeded } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObject: {
        projectFolder: root,
        mainEntryPointFilePath: join(root, 'dist', subpath, 'index.d.ts'),
        compiler: {
          overrideTsconfig: {
            compilerOptions: {
              target: 'es2022',
              lib: ['es2023', 'esnext.disposable'],
              types: ['node'],
              module: 'nodenext',
              strict: true,
              skipLibCheck: true,
            },
            files: [join(root, 'dist', subpath, 'index.d.ts')],
          },
        },
        apiReport: {
          enabled: true,
          reportFileName: `${name}.api.md`,
          reportFolder: folder,
          reportTempFolder: folder,
        },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          extractorMessageReporting: {
            default: { logLevel: ExtractorLogLevel.None },
          },
        },
      },
      configObjectFullPath: undefined,
      packageJsonFullPath: join(root, 'package.json'),
    }),
    {
      localBuild: true,
      messageCallback: (message) => {
        message.handled = true;
      },
    },
  );
  expect(succeeded).toBe(true);
  const report = await readFile(join(folder, `${name}.api.md`), 'utf8');
  await expect(report).toMatchFileSnapshot(`api/${name}.api.md`);
});
