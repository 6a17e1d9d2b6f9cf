import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A page of the documents: the README, or one that stands beside the code. */
export interface Page {
  /** From the root of the package: `src/postgres/README.md`. */
  readonly path: string;
  readonly text: string;
}

/** A block of code that readers copy. */
export interface Snippet {
  /** The page, and the line that the code begins on: `README.md:21`. */
  readonly where: string;
  readonly page: string;
  readonly code: string;
  /** What it is called as a file: `.ts`, or `.mjs` and `.cjs` when it is plain JavaScript. */
  readonly file: string;
}

/** All pages, the package's README first. */
export async function readPages(): Promise<Page[]> {
  const paths: string[] = [];
  for await (const path of glob('{src,examples,test,.github}/**/*.md', { cwd: root })) {
    if (!path.endsWith('.api.md')) paths.push(path);
  }
  return Promise.all(
    ['README.md', 'CHANGELOG.md', ...paths.toSorted()].map(async (path) => ({
      path,
      text: await readFile(join(root, path), 'utf8'),
    })),
  );
}

export function findSnippets({ path, text }: Page): Snippet[] {
  return [...text.matchAll(/^```(?<language>ts|js)\n(?<code>[^]+?)^```$/gm)].map((match) => {
    const { language, code = '' } = match.groups ?? {};
    const line = text.slice(0, match.index).split('\n').length + 1;
    const extension = language === 'ts' ? 'ts' : code.includes('require(') ? 'cjs' : 'mjs';
    const file = `${path.replaceAll(/\W/g, '-')}-${line}.${extension}`;
    return { where: `${path}:${line}`, page: path, code, file };
  });
}

/**
 * A snippet as a module of its own. What it names without declaring it comes from where a reader would look for it: the
 * snippets above it, the last one first, then the README's first one, then what no README shows.
 */
export function asModule(snippet: Snippet, all: readonly Snippet[], context: string[]): string {
  const { code, page } = snippet;
  const own = declarationsOf(code);
  const known = new Set([...importsOf(code), ...own.map(({ name }) => name)]);
  const above = all.slice(0, all.indexOf(snippet)).filter((other) => other.page === page);
  const places = new Set([...above.toReversed(), ...all.slice(0, 1)]);
  places.delete(snippet);
  const sources = [
    ...[...places].map((other) => ({
      from: `./${other.file}`,
      offers: declarationsOf(other.code),
    })),
    {
      from: '../support/readme-context.ts',
      offers: context.map((name) => ({ name, isType: false })),
    },
  ];
  const imports = sources.map(({ from, offers }) => {
    const taken = offers.filter(
      ({ name }) => !known.has(name) && new RegExp(`\\b${name}\\b`).test(code),
    );
    for (const { name } of taken) known.add(name);
    return `import { ${taken.map(toSpecifier).join(', ')} } from '${from}';`;
  });
  const exports = own.filter(({ isExported }) => !isExported).map(toSpecifier);
  return [...imports, collectTests(code), `export { ${exports.join(', ')} };`].join('\n');
}

interface Declaration {
  readonly name: string;
  readonly isType: boolean;
  readonly isExported?: boolean;
}

/** What the code declares at its top level. */
function declarationsOf(code: string): Declaration[] {
  const declaration =
    /^(?<export>export )?(?:async )?(?<kind>const|function|class|interface|type) (?:[[{] ?)?(?<name>\w+)/gm;
  return [...code.matchAll(declaration)].map(({ groups }) => ({
    name: groups?.['name'] ?? '',
    isType: groups?.['kind'] === 'interface' || groups?.['kind'] === 'type',
    isExported: groups?.['export'] !== undefined,
  }));
}

function importsOf(code: string): string[] {
  const imports = code.matchAll(/^import (?:type )?\{(?<names>[^}]+)\}/gm);
  return [...imports].flatMap(({ groups }) => groups?.['names']?.match(/\w+/g) ?? []);
}

function toSpecifier({ name, isType }: Declaration): string {
  return isType ? `type ${name}` : name;
}

/** Tests do not run in tests: the snippet's own are collected, and run as functions. */
function collectTests(code: string): string {
  return code.replace(/^import \{ (.*) \} from 'vitest';$/m, (_line, names: string) => {
    const others = names.split(', ').filter((name) => name !== 'test');
    return `
      import { ${others.join(', ')} } from 'vitest';
      export const tests: (() => Promise<void>)[] = [];
      const test = (_name: string, run: () => Promise<void>) => tests.push(run);
    `;
  });
}
