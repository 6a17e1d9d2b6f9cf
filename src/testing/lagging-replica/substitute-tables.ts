import {
  AliasNode,
  type FromNode,
  IdentifierNode,
  type JoinNode,
  type OperationNode,
  OperationNodeTransformer,
  type QueryId,
  type RawNode,
  type RootOperationNode,
  type SelectQueryNode,
  TableNode,
  type WithNode,
} from 'kysely';
import { hiddenTable } from './hide-table.ts';
import { refuseRawSql, refuseWrite } from './refuse.ts';
import { keyOf, nameOf, type TableName, tableNode } from './table-name.ts';

/** What a query reads instead of a table. */
export interface Substitute {
  readonly table: TableName;
  readonly source: OperationNode;
  /** What `source` is, if it is a table. A subquery may have it before the query around it is looked at. */
  readonly copy?: TableName;
}

export interface Substituted {
  readonly node: RootOperationNode;
  /** Whether the query reads one of the tables. */
  readonly touched: boolean;
}

/**
 * Lets a query read substitutes for some tables, under the names of the tables, so that everything else in it stays as
 * it is. Refuses what a standby refuses, and raw SQL that reads one of the tables, which cannot be changed.
 */
export function substituteTables(
  node: RootOperationNode,
  substitutes: readonly Substitute[],
): Substituted {
  const transformer = new TableSubstituter(substitutes);
  const substituted = transformer.transformNode(node);
  return { node: substituted, touched: transformer.touched };
}

class TableSubstituter extends OperationNodeTransformer {
  touched = false;
  readonly #substitutes: readonly Substitute[];
  /** By the names of the tables, and of their copies. */
  readonly #byName: ReadonlyMap<string, Substitute>;
  /** The common table expressions that are in scope: there, a name is theirs. */
  #expressions: readonly string[] = [];

  constructor(substitutes: readonly Substitute[]) {
    super();
    this.#substitutes = substitutes;
    this.#byName = new Map(
      substitutes.flatMap((substitute) => {
        const { table, copy = table } = substitute;
        return [table, copy].map((name) => [keyOf(name), substitute] as const);
      }),
    );
  }

  protected override transformNodeImpl<T extends OperationNode>(node: T, queryId?: QueryId): T {
    refuseWrite(node, this.nodeStack.length === 1);
    return super.transformNodeImpl(node, queryId);
  }

  protected override transformFrom(node: FromNode, queryId?: QueryId): FromNode {
    return { ...node, froms: node.froms.map((from) => this.#transformSource(from, queryId)) };
  }

  protected override transformJoin(node: JoinNode, queryId?: QueryId): JoinNode {
    const table = this.#transformSource(node.table, queryId);
    const { on } = node;
    return { ...node, table, ...(on && { on: this.transformNode(on, queryId) }) };
  }

  /** All other places name the source by its alias, which has no schema. */
  protected override transformTable(node: TableNode, queryId?: QueryId): TableNode {
    return this.#findSource(node) === undefined
      ? super.transformTable(node, queryId)
      : tableNode({ schema: undefined, name: node.table.identifier.name });
  }

  protected override transformRaw(node: RawNode, queryId?: QueryId): RawNode {
    for (const { table } of this.#substitutes) refuseRawSql(node, table);
    const parameters = node.parameters.map((parameter, index) => {
      if (!TableNode.is(parameter)) return this.#transformSource(parameter, queryId);
      // `sql.table` stands alone. What `eb.table` gives is the name of a source, unless it is one itself.
      const before = node.sqlFragments[index] ?? '';
      const isSource =
        node.sqlFragments.join('') === '' || /\b(?:from|join|only)\s*$/i.test(before);
      return (
        (isSource ? this.#takeSource(parameter) : undefined) ??
        this.transformNode(parameter, queryId)
      );
    });
    return { ...node, parameters };
  }

  protected override transformSelectQuery(
    node: SelectQueryNode,
    queryId?: QueryId,
  ): SelectQueryNode {
    const { with: clause, ...query } = node;
    if (clause === undefined) return super.transformSelectQuery(node, queryId);
    const outside = this.#expressions;
    const expressions = this.#transformWithInScope(clause, queryId);
    const transformed = super.transformSelectQuery(query, queryId);
    this.#expressions = outside;
    return { ...transformed, with: expressions };
  }

  /** Leaves the scope of the query behind: each expression sees those before it, or all of them when recursive. */
  #transformWithInScope(node: WithNode, queryId?: QueryId): WithNode {
    const names = node.expressions.map(({ name }) => name.table.table.identifier.name);
    if (node.recursive) this.#expressions = [...this.#expressions, ...names];
    const expressions = node.expressions.map((expression, index) => {
      const transformed = this.transformNode(expression, queryId);
      this.#expressions = [...this.#expressions, ...names.slice(index, index + 1)];
      return transformed;
    });
    return { ...node, expressions };
  }

  #transformSource(node: OperationNode, queryId?: QueryId): OperationNode {
    if (TableNode.is(node)) {
      const source = this.#takeSource(node);
      return source === undefined
        ? this.transformNode(node, queryId)
        : AliasNode.create(source, IdentifierNode.create(node.table.identifier.name));
    }
    if (AliasNode.is(node)) {
      const source =
        this.#undo(node.node) ??
        (TableNode.is(node.node) ? this.#takeSource(node.node) : undefined);
      if (source !== undefined) return AliasNode.create(source, node.alias);
    }
    return this.transformNode(node, queryId);
  }

  #takeSource(node: TableNode): OperationNode | undefined {
    const source = this.#findSource(node);
    this.touched ||= source !== undefined;
    return source;
  }

  #findSource(node: TableNode): OperationNode | undefined {
    const substitute = this.#byName.get(keyOf(nameOf(node)));
    return substitute === undefined || this.#isExpression(substitute.table)
      ? undefined
      : substitute.source;
  }

  /**
   * A subquery that was built on the stand-in has had its substitutes before anybody knew of the query around it. Where the name
   * is that of a common table expression there, the table is put back.
   */
  #undo(source: OperationNode): TableNode | undefined {
    const given = TableNode.is(source) ? source : hiddenTable(source);
    const table = given && this.#byName.get(keyOf(nameOf(given)))?.table;
    return table !== undefined && this.#isExpression(table) ? tableNode(table) : undefined;
  }

  #isExpression({ schema, name }: TableName): boolean {
    return schema === undefined && this.#expressions.includes(name);
  }
}
