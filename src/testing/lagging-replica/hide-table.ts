import { AliasNode, IdentifierNode, type OperationNode, RawNode, sql, TableNode } from 'kysely';
import { type TableName, tableNode } from './table-name.ts';

/**
 * A source without rows. `1 = 0`, because not every database knows `false`. The alias is for a subquery that was built on the stand-in: it comes
 * twice, alone and in the query around it, and not every database takes a source without one.
 */
export function hideTable(table: TableName): OperationNode {
  const source = AliasNode.create(tableNode(table), IdentifierNode.create(table.name));
  const empty = sql`(select * from ${{ toOperationNode: () => source }} where 1 = 0)`;
  return empty.toOperationNode();
}

/** The table that a source hides, once or several times. `undefined` for any other source. */
export function hiddenTable(source: OperationNode): TableNode | undefined {
  if (!RawNode.is(source) || source.sqlFragments.join() !== FRAGMENTS) return undefined;
  const [hidden] = source.parameters;
  if (hidden === undefined || !AliasNode.is(hidden)) return undefined;
  return TableNode.is(hidden.node) ? hidden.node : hiddenTable(hidden.node);
}

const FRAGMENTS = '(select * from , where 1 = 0)';
