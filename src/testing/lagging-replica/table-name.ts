import { type Kysely, sql, TableNode } from 'kysely';
import { InvalidOptionError } from '../../errors.ts';
import { isNonEmptyString } from '../../is-non-empty-string.ts';

/** A table as the database knows it, with the schema that queries write before it, if they do. */
export interface TableName {
  readonly schema: string | undefined;
  readonly name: string;
}

/** What the plugins of a client, and its schema, make of a table's name. */
export function resolveTable<DB>(
  client: Kysely<DB>,
  table: keyof DB & string,
  option: string,
): TableName {
  if (isNonEmptyString(table)) {
    const [source] = client.selectFrom(table).selectAll().toOperationNode().from?.froms ?? [];
    if (source !== undefined && TableNode.is(source)) return nameOf(source);
  }
  throw new InvalidOptionError(option, 'the name of a table, without an alias', table);
}

export function nameOf({ table: { schema, identifier } }: TableNode): TableName {
  return { schema: schema?.name, name: identifier.name };
}

/** Alike for the same table, and never for two. */
export function keyOf({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

/** For messages. */
export function textOf({ schema, name }: TableName): string {
  return schema === undefined ? name : `${schema}.${name}`;
}

export function tableNode({ schema, name }: TableName): TableNode {
  return schema === undefined ? TableNode.create(name) : TableNode.createWithSchema(schema, name);
}

/** For raw SQL that plugins are to leave alone. */
export function tableId({ schema, name }: TableName) {
  return schema === undefined ? sql.id(name) : sql.id(schema, name);
}
