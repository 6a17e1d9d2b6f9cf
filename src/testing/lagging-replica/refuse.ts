import { type OperationNode, RawNode, SelectModifierNode } from 'kysely';
import { type TableName, textOf } from './table-name.ts';

const WRITE_NODE = /^(?:(Insert|Update|Delete|Merge)Query|((?:Create|Drop|Alter|Refresh)\w+))Node$/;
const RAW_WRITE =
  /^(?:\s|--.*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(insert|update|delete|merge|replace|truncate|create|drop|alter|rename|refresh|grant|revoke|comment|vacuum|reindex|cluster|listen|notify|do)\b/i;

/** What a standby says to a write and to a lock, with the `code` that pg reports for it. */
class ReadOnlyError extends Error {
  override readonly name = 'ReadOnlyError';
  readonly code = '25006';

  constructor(command: string) {
    super(`Expected reads only, got ${command}: a replica refuses it, and so does laggingReplica.`);
  }
}

/** Throws for what a standby would not execute. Of raw SQL, only the first word after comments is looked at. */
export function refuseWrite(node: OperationNode, isRoot: boolean): void {
  const command =
    WRITE_NODE.exec(node.kind)?.slice(1).find(Boolean) ??
    (SelectModifierNode.is(node) ? /^For\w+/.exec(node.modifier ?? '')?.[0] : undefined) ??
    (isRoot && RawNode.is(node) ? RAW_WRITE.exec(node.sqlFragments[0] ?? '')?.[1] : undefined);
  if (command !== undefined) throw new ReadOnlyError(inSql(command));
}

/** Throws for raw SQL that reads the table by its bare name, and would see all of its rows. */
export function refuseRawSql({ sqlFragments }: RawNode, table: TableName): void {
  const schema = table.schema === undefined ? '' : `(?:${quoted(table.schema)}\\.)?`;
  const reads = new RegExp(
    `(?<!\\bdistinct\\s+)\\b(?:from|join)\\s+(?:only\\s+)?${schema}${quoted(table.name)}(?![\\w$.])`,
    'i',
  );
  if (!sqlFragments.some((fragment) => reads.test(fragment))) return;
  throw new Error(
    `Expected no raw SQL to read ${textOf(table)} by its bare name, where laggingReplica cannot hold it back: ` +
      `write \${sql.table('${textOf(table)}')} and give it an alias.`,
  );
}

/** A name as it stands in SQL, with the quotes of any dialect or none. */
function quoted(name: string): string {
  return `["\`[]?${name.replaceAll(/[^\w]/g, String.raw`\$&`)}["\`\\]]?`;
}

/** `ForNoKeyUpdate`: `FOR NO KEY UPDATE`. */
function inSql(command: string): string {
  return command.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toUpperCase();
}
