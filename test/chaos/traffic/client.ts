import { Agent, type IncomingMessage, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { POSITION_HEADER } from '../../../examples/causal-sessions/sessions.ts';
import { Violation } from '../checks/violation.ts';
import { at } from '../clock.ts';
import type { Tally } from './tally.ts';

/** Each request has a connection of its own: one that is kept may be closed just as the next request is on its way. */
const agent = new Agent({ keepAlive: false });

const REMEMBERED = 20;

/** 408 is for a request that took five seconds to arrive: on a machine that is busy with other things, any may. */
const MEANT = [200, 201, 404, 408, 503] as const;

export type Status = (typeof MEANT)[number];

export interface Answer {
  readonly status: Status;
  /** Whether a standby may have answered in place of the primary. */
  readonly isDoubtful: boolean;
  readonly body: unknown;
  /** The outcome of its read, as the service tells it. */
  readonly outcome: string | undefined;
  /** Where the session is. */
  readonly position: string | undefined;
}

/** Whom it asks. */
export interface Service {
  readonly url: string;
  /** Whether what the service takes for the primary may have been a standby since a moment of `performance.now()`. */
  readonly ledToStandbySince: (moment: number) => boolean;
}

interface Question {
  readonly method?: 'GET' | 'POST' | 'PATCH';
  readonly body?: object | undefined;
  readonly position?: string | undefined;
}

/** Asks the service, as somebody who remembers what it was told last. */
export class Client {
  readonly name: string;
  readonly history: string[] = [];
  readonly #service: Service;
  readonly #tally: Tally;

  constructor(name: string, service: Service, tally: Tally) {
    this.name = name;
    this.#service = service;
    this.#tally = tally;
  }

  /**
   * @param kind - by which it is counted
   * @throws Violation when there is no answer in time, or one that is never meant
   */
  async ask(
    kind: string,
    path: string,
    { method = 'GET', body, position }: Question = {},
  ): Promise<Answer> {
    const startedAt = performance.now();
    const question = `${method} ${path}${position === undefined ? '' : ` at ${position}`}`;
    if (method === 'GET') this.#tally.begin();
    try {
      const response = await this.#send(path, { method, body, position });
      const text = await readText(response);
      const durationMs = performance.now() - startedAt;
      const { statusCode: status = 0, headers } = response;
      const outcome = String(headers['server-timing'] ?? '').split(';')[0] || undefined;
      this.#tally.end(kind, { status, outcome, durationMs });
      this.#remember(startedAt, durationMs, `${question}: ${status} ${outcome ?? ''} ${text}`);
      if (!isMeant(status)) {
        const seen = `${status} ${text}`;
        throw this.violation('no answer but those that are meant', MEANT.join(', '), seen);
      }
      return {
        status,
        isDoubtful: this.#service.ledToStandbySince(startedAt),
        body: text === '' ? undefined : JSON.parse(text),
        outcome,
        position: headers[POSITION_HEADER.toLowerCase()]?.toString(),
      };
    } catch (error) {
      if (error instanceof Violation) throw error;
      const durationMs = performance.now() - startedAt;
      this.#remember(startedAt, durationMs, `${question}: ${explain(error)}`);
      throw this.violation(
        'each answer is there in time',
        `an answer within ${this.#tally.deadlineMs.toFixed(0)} ms`,
        `${explain(error)} after ${durationMs.toFixed(0)} ms`,
      );
    }
  }

  #send(path: string, { method, body, position }: Question): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request(
      `${this.#service.url}${path}`,
      {
        agent,
        method,
        signal: AbortSignal.timeout(Math.ceil(this.#tally.deadlineMs)),
        headers: {
          ...(body && { 'Content-Type': 'application/json' }),
          ...(position !== undefined && { [POSITION_HEADER]: position }),
        },
      },
      resolve,
    )
      .on('error', reject)
      .end(body && JSON.stringify(body));
    return promise;
  }

  /** Counts a row that was missing, because a standby answered in place of the primary. */
  excuse(): void {
    this.#tally.excused++;
  }

  violation(invariant: Violation['invariant'], expected: string, seen: string): Violation {
    return new Violation(invariant, expected, `${this.name} saw ${seen}`, this.history);
  }

  #remember(startedAt: number, durationMs: number, what: string): void {
    this.history.push(
      `${at(startedAt)}  ${durationMs.toFixed(0).padStart(5)} ms  ${shorten(what)}`,
    );
    if (this.history.length > REMEMBERED) this.history.shift();
  }
}

function isMeant(status: number): status is Status {
  return MEANT.some((each) => each === status);
}

function shorten(text: string): string {
  return text.length > 1_500 ? `${text.slice(0, 750)} … ${text.slice(-750)}` : text;
}

function explain(error: unknown): string {
  const { cause } = Object(error);
  return `${String(error)}${cause === undefined ? '' : `: ${String(cause)}`}`;
}
