import type { HonoRequest } from 'hono';
import * as z from 'zod';
import { readJsonBody } from './check-input.ts';
import { fields, integerText } from './schemas.ts';
import type { NewSnapshot } from './snapshot-writer.ts';

const id = z.guid('a UUID').toLowerCase();

/** The parameters of a path to a run. */
export const RunPath = z.object({ runId: id });

/** Those of a path to a snapshot. */
export const SnapshotPath = z.object({ runId: id, snapshotId: id });

/** What a question about a snapshot may add. */
export const SinceQuery = z.object({ limit: integerText(1, 1000).optional() });

/** PostgreSQL has no text with a NUL in it. */
const text = z
  .string('a string without NUL characters')
  .regex(/^[^\0]*$/, 'a string without NUL characters');

const waitpoints = z
  .array(fields({ output: text.optional() }), 'an array of at most 100')
  .max(100, 'an array of at most 100');

const Snapshot = fields({
  executionStatus: text.optional(),
  description: text.optional(),
  waitpoints: waitpoints.default([]),
});

/**
 * Reads the body of a request that adds a snapshot. An empty body is a snapshot with nothing
 * special.
 */
export async function readNewSnapshot(request: HonoRequest): Promise<NewSnapshot> {
  return (await request.text()) === '' ? { waitpoints: [] } : readJsonBody(request, Snapshot);
}

const Change = fields({ description: text });

/** Reads the body of a request that changes a snapshot. */
export function readChange(request: HonoRequest): Promise<z.infer<typeof Change>> {
  return readJsonBody(request, Change);
}
