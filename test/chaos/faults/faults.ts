import type { TcpProxy } from '../../support/tcp-proxy.ts';
import type { Random } from '../random.ts';
import type { Server } from '../server.ts';
import { conflictWithReads } from './conflict.ts';
import { type Fault, type Plan, TARGETS } from './fault.ts';
import { starvePrimaryPool, starveReplicaPool } from './starvation.ts';
import { failOverWithStray } from './stray.ts';

/** All that can happen. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'replay paused',
    weight: 3,
    plan: onOneOrBothStandbys((random) => ({
      lastsMs: random.integer(500, 2_500),
      strike: (standby) => standby.pauseReplay(),
      undo: (standby) => standby.resumeReplay(),
    })),
  },
  {
    name: 'apply delay',
    weight: 3,
    plan: onOneOrBothStandbys((random) => {
      const delayMs = random.pick([20, 60, 150, 400, 1_500]);
      return {
        detail: `of ${delayMs} ms`,
        lastsMs: random.integer(500, 2_500),
        strike: (standby) => standby.setApplyDelay(delayMs),
        undo: (standby) => standby.setApplyDelay(0),
      };
    }),
  },
  {
    name: 'SIGKILL of a standby',
    weight: 2,
    plan: onOneStandby((random) => ({
      lastsMs: random.integer(0, 1_500),
      strike: (standby) => standby.kill(),
      undo: (standby) => standby.start(),
    })),
  },
  {
    name: 'fast restart of a standby',
    weight: 2,
    plan: onOneStandby(() => ({ strike: (standby) => standby.restart() })),
  },
  {
    name: 'recovery conflict',
    weight: 2,
    plan: ({ servers }, random) => conflictWithReads(servers, random.pick([0, 1])),
  },
  {
    name: 'connections reset',
    weight: 3,
    plan: onAddress((random) => {
      const bytes = random.integer(1, 2_000);
      return {
        detail: `after ${bytes} bytes`,
        lastsMs: random.integer(100, 500),
        strike: (proxy) => proxy.resetAfter(bytes),
        undo: (proxy) => proxy.pass(),
      };
    }),
  },
  {
    name: 'black hole',
    weight: 2,
    plan: onAddress((random) => ({
      lastsMs: random.integer(200, 2_000),
      strike: (proxy) => proxy.blackHole(),
      undo: (proxy) => proxy.pass(),
    })),
  },
  {
    name: 'half-open',
    weight: 2,
    plan: onAddress(() => ({ strike: (proxy) => proxy.loseServer() })),
  },
  {
    name: 'pool starved',
    weight: 2,
    plan: (stage, random) => {
      const lastsMs = random.integer(1_000, 3_000);
      return random.chance(0.5)
        ? starvePrimaryPool(stage, lastsMs)
        : starveReplicaPool(stage.servers, random.pick([0, 1]), lastsMs);
    },
  },
  {
    name: 'primary restarted',
    weight: 1,
    plan: ({ servers }) => ({
      targets: ['the primary'],
      strike: () => servers.primary.restart(),
    }),
  },
  {
    name: 'standby promoted',
    weight: 1,
    plan: ({ servers }) => ({
      targets: TARGETS.filter((target) => target !== 'the service'),
      strike: () => servers.failOver(),
    }),
  },
  {
    name: 'failover with a stray',
    weight: 2,
    // Only then are the files of the servers within reach, without which the stray cannot come back.
    isPossible: ({ servers }) => servers.cluster.runtime === 'embedded',
    plan: ({ servers }, random) => failOverWithStray(servers, random.integer(1_000, 3_000)),
  },
  {
    name: "standby at the primary's address",
    weight: 2,
    plan({ servers }, random) {
      const place = random.pick<Place>([0, 1]);
      const cutsOff = random.chance(0.5);
      return {
        detail: cutsOff ? 'for all connections' : 'for new connections',
        targets: ["the primary's address", STANDBYS[place]],
        lastsMs: random.integer(500, 2_500),
        strike: () => servers.leadToStandby(place, cutsOff),
        undo: () => servers.leadToPrimary(place),
      };
    },
  },
  {
    name: 'event loop blocked',
    weight: 2,
    plan: ({ service }) => ({
      detail: 'for 1000 ms',
      targets: ['the service'],
      lastsMs: 1_000,
      strike: () => service.block(1_000),
    }),
  },
];

/** What is done to each of the things that the fault strikes. */
interface PlanFor<Thing> extends Pick<Plan, 'detail' | 'lastsMs'> {
  readonly strike: (thing: Thing) => unknown;
  readonly undo?: (thing: Thing) => unknown;
}

const STANDBYS = ['the first standby', 'the second standby'] as const;

type Place = 0 | 1;

function onOneStandby(choose: (random: Random) => PlanFor<Server>): Fault['plan'] {
  return onStandbys(choose, (random) => [random.pick<Place>([0, 1])]);
}

function onOneOrBothStandbys(choose: (random: Random) => PlanFor<Server>): Fault['plan'] {
  return onStandbys(choose, (random) => random.pick<readonly Place[]>([[0], [1], [0, 1]]));
}

/** Strikes whichever standbys have these places when it strikes. */
function onStandbys(
  choose: (random: Random) => PlanFor<Server>,
  choosePlaces: (random: Random) => readonly Place[],
): Fault['plan'] {
  return ({ servers }, random) => {
    const places = choosePlaces(random);
    const { strike, undo, ...plan } = choose(random);
    return {
      ...plan,
      targets: places.map((place) => STANDBYS[place]),
      strike: () => Promise.all(places.map((place) => strike(servers.standbys[place]))),
      undo: () => Promise.all(places.map((place) => undo?.(servers.standbys[place]))),
    };
  };
}

/** Strikes the connections to the primary, or more often those to the standbys, where most reads go. */
function onAddress(choose: (random: Random) => PlanFor<TcpProxy>): Fault['plan'] {
  return ({ servers: { toPrimary, toStandbys } }, random) => {
    const isPrimary = random.chance(0.3);
    const proxy = isPrimary ? toPrimary : toStandbys;
    const { strike, undo, ...plan } = choose(random);
    return {
      ...plan,
      targets: [isPrimary ? "the primary's address" : "the standbys' address"],
      strike: () => strike(proxy),
      undo: () => undo?.(proxy),
    };
  };
}
