import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import {
  createPrimaryBudget,
  PrimaryBudgetExceededError,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from '../../support/serve.ts';

const spend = () =>
  withReplicaFallback(async () => undefined, {
    primary: { server: 'primary' },
    replica: { server: 'replica' },
    retryMs: 0,
    primaryBudget: createPrimaryBudget({ ratio: 0, minPerSecond: 0 }),
  });

test('Express answers a read that may not spill with a 503, and when to try again', async () => {
  const app = express();
  app.set('env', 'test'); // prints no errors
  app.get('/', async (_request, response) => {
    response.json(await spend());
  });

  const response = await fetch(await serve(app));

  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
});

test('Fastify answers a read that may not spill with a 503, and when to try again', async () => {
  const app = fastify();
  onTestFinished(() => app.close());
  app.get('/', spend);

  const response = await app.inject('/');

  expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '1']);
});

test('Hono answers the same where it is told to', async () => {
  const app = new Hono();
  app.onError((error, context) => {
    if (!(error instanceof PrimaryBudgetExceededError)) throw error;
    return context.text('Try again soon.', error.status, error.headers);
  });
  app.get('/', async (context) => context.json(await spend()));

  const response = await app.request('/');

  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
});
