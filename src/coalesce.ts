import type { ReplicaQuery } from './attempt.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { versionWide } from './process-wide.ts';
import { runOnPrimaryOf } from './run-on-primary.ts';
import { runQuery, untilAborted } from './run-query.ts';
import { numberQuery } from './shared-queries.ts';

/** What reads have in common that share a query. */
type Destination<Client> = Pick<
  ReplicaFallbackOptions<Client, never>,
  'primary' | 'operation' | 'coalesceKey' | 'after' | 'catchUp'
>;

/** What only the read has that starts it. */
type Departure = Pick<ReplicaFallbackOptions<unknown, never>, 'signal'>;

/** The latest flight of each kind, by primary: none that has landed, and none that nobody waits for. */
const flightsByPrimary = versionWide(
  'flights',
  () => new WeakMap<WeakKey, Map<string, Flight<unknown>>>(),
);

/** A query that runs on the primary for all reads that wait for it. */
export class Flight<T> {
  readonly number: number = numberQuery();
  /** The signal of the read that started it. */
  readonly starter: AbortSignal | undefined;
  readonly #landing: Promise<T>;
  readonly #abandonment = new AbortController();
  readonly #forget: () => void;
  /** Tells one who waits that it has landed: who leaves before leaves nothing behind. */
  readonly #waiters = new Set<() => void>();
  #hasLanded = false;

  /** @param forget - called when the flight is not to be joined any more */
  constructor(
    query: (signal: AbortSignal) => Promise<T>,
    starter: AbortSignal | undefined,
    forget: () => void,
  ) {
    this.starter = starter;
    this.#forget = forget;
    const land = () => {
      this.#hasLanded = true;
      forget();
      for (const tell of this.#waiters) tell();
    };
    this.#landing = query(this.#abandonment.signal);
    this.#landing.then(land, land);
  }

  /** The answer, unless the signal of the read that waits for it aborts. The last one to leave aborts the query. */
  async answer(signal: AbortSignal | undefined): Promise<T> {
    const { promise: landed, resolve: tell } = Promise.withResolvers<void>();
    this.#waiters.add(tell);
    try {
      await (signal === undefined ? landed : untilAborted(landed, signal));
      return await this.#landing;
    } finally {
      this.#waiters.delete(tell);
      if (this.#waiters.size === 0 && !this.#hasLanded) {
        this.#forget();
        this.#abandonment.abort(signal?.reason);
      }
    }
  }
}

/**
 * The flight that a read may join. One that started before the read did may have looked before a write that the read has
 * to see.
 */
export function findFlight<Client, T>(
  destination: Destination<Client>,
  queriesBefore: number,
): Flight<T> | undefined {
  const { primary, coalesceKey } = destination;
  if (coalesceKey === undefined) return undefined;
  const flight = flightsOf(primary).get(nameOf(destination));
  return flight !== undefined && isFor<T>(flight, queriesBefore) ? flight : undefined;
}

/** Its type is that of the read's query, because reads of one operation and key run the same one. */
function isFor<T>(flight: Flight<unknown>, queriesBefore: number): flight is Flight<T> {
  return flight.number > queriesBefore;
}

/** Starts a query that the reads which follow may join. */
export function startFlight<Client, T>(
  query: ReplicaQuery<Client, T>,
  destination: Destination<Client> & Departure,
): Flight<T> {
  const { primary, signal: starter } = destination;
  const flights = flightsOf(primary);
  const name = nameOf(destination);
  const flight: Flight<T> = new Flight(
    (signal) => runQuery(query, primary, { source: 'primary', signal }),
    starter,
    () => {
      if (flights.get(name) === flight) flights.delete(name);
    },
  );
  flights.set(name, flight);
  return flight;
}

function flightsOf(primary: unknown): Map<string, Flight<unknown>> {
  const client: WeakKey = Object(primary); // itself: every client is an object, or a function
  let flights = flightsByPrimary.get(client);
  if (flights === undefined) {
    flights = new Map();
    flightsByPrimary.set(client, flights);
  }
  return flights;
}

function nameOf<Client>(destination: Destination<Client>): string {
  const { operation, coalesceKey } = destination;
  return JSON.stringify([operation, coalesceKey, runOnPrimaryOf(destination) !== undefined]);
}
