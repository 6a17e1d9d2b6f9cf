import { CompiledQuery, type Compilable, type Kysely } from 'kysely';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

export interface Explained {
  /** How many pages of tables and indexes the query looked at, wherever it found them. */
  readonly pages: number;
  /** The tables that it read from one end to the other. */
  readonly wholeTables: readonly string[];
}

/** Runs a query, and gives what it cost the server. */
export async function explain<DB>(db: Kysely<DB>, query: Compilable): Promise<Explained> {
  const { sql, parameters } = query.compile();
  const { rows } = await db.executeQuery<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    CompiledQuery.raw(`explain (analyze, buffers, format json) ${sql}`, [...parameters]),
  );
  const root = rows[0]!['QUERY PLAN'][0].Plan;
  return {
    pages: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
    wholeTables: nodesOf(root).flatMap((node) =>
      node['Node Type'] === 'Seq Scan' ? [String(node['Relation Name'])] : [],
    ),
  };
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}
