import type { Paint, Style } from '../terminal.ts';

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** Rows of equally many cells, in columns that are as wide as they need to be. */
export function formatTable(rows: readonly (readonly Cell[])[], paint: Paint): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.text.length ?? 0)),
  );
  const formatCell = ({ text, style }: Cell, column: number): string => {
    const padded = text.padStart(widths[column] ?? 0);
    return style === undefined ? padded : paint(style, padded);
  };
  return rows.map((row) => row.map(formatCell).join('  ')).join('\n');
}
