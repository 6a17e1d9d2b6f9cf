import { Writable } from 'node:stream';
import { WriteStream } from 'node:tty';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createTerminal } from '../../../examples/snapshots-service/terminal.ts';

/** What a terminal was given, or a file when it has no columns. */
function createScreen(columns?: number) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const screen = Object.assign(stream, {
    isTTY: columns !== undefined,
    columns,
    getColorDepth: () => WriteStream.prototype.getColorDepth(), // as a terminal finds it out
  });
  return { written, terminal: createTerminal(screen as unknown as NodeJS.WriteStream) };
}

describe("the example's output", () => {
  test('writes a live line anew on a terminal', () => {
    const { terminal, written } = createScreen(80);
    const line = terminal.liveLine();
    for (const text of ['1 of 2', '2 of 2']) line.show(text);
    line.end();
    expect(written).toEqual(['\r1 of 2\u001B[K', '\r2 of 2\u001B[K', '\n']);
  });

  test('writes only the first text of a live line elsewhere', () => {
    const { terminal, written } = createScreen();
    const line = terminal.liveLine();
    for (const text of ['2 polls', '1 of 2', '2 of 2']) line.show(text);
    line.end();
    expect(written).toEqual(['2 polls\n']);
  });

  test.for([
    [10, '123456789'],
    [9, '12345678'],
    [0, '123456789'], // a terminal that does not tell its width
  ] as const)('fits a live line into %i columns, and never lets it wrap', ([columns, shown]) => {
    const { terminal, written } = createScreen(columns);
    terminal.liveLine().show('123456789');
    expect(written).toEqual([`\r${shown}\u001B[K`]);
  });

  test('paints on a terminal, unless NO_COLOR is set', () => {
    for (const name of [
      'CI',
      'FORCE_COLOR',
      'NODE_DISABLE_COLORS',
      'NO_COLOR',
      'TEAMCITY_VERSION',
    ]) {
      vi.stubEnv(name, undefined);
    }
    vi.stubEnv('TERM', 'xterm');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { paint } = createScreen(80).terminal;
    expect(paint('red', '404')).toBe('\u001B[31m404\u001B[39m');
    vi.stubEnv('NO_COLOR', '1');
    expect(paint('red', '404')).toBe('404');
  });

  test('paints nothing where there is no terminal', () => {
    expect(createScreen().terminal.paint('red', '404')).toBe('404');
  });
});
