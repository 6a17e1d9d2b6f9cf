import { stripVTControlCharacters, styleText } from 'node:util';

/** Where the program prints. */
export interface Terminal {
  readonly say: (line: string) => void;
  /** Begins a line that is written anew again and again, until it ends. */
  readonly liveLine: () => LiveLine;
  /** Colours a text, for a terminal that has colours, unless `NO_COLOR` is set. */
  readonly paint: Paint;
}

interface LiveLine {
  /** What is no terminal, and so keeps all that is written, gets only the first text. */
  show(text: string): void;
  end(): void;
}

export type Paint = (style: Style, text: string) => string;
export type Style = 'green' | 'yellow' | 'red' | 'dim';

const ERASE_TO_END = '\u001B[K';

export function createTerminal(stream: NodeJS.WriteStream): Terminal {
  const say = (line: string): void => void stream.write(`${line}\n`);
  return {
    say,
    liveLine() {
      if (stream.isTTY) {
        return {
          show: (text) => void stream.write(`\r${fit(text, stream.columns || 80)}${ERASE_TO_END}`),
          end: () => say(''),
        };
      }
      let isFirst = true;
      return {
        show(text) {
          if (isFirst) say(text);
          isFirst = false;
        },
        end() {},
      };
    },
    paint: (style, text) => styleText(style, text, { stream }),
  };
}

/** A line that wraps could not be written anew. */
function fit(text: string, columns: number): string {
  const plain = stripVTControlCharacters(text);
  return plain.length < columns ? text : plain.slice(0, columns - 1);
}
