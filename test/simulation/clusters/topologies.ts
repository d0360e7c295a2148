import type { FullPath } from '../../../src/core/entry/path.js';
import type { Scope } from '../../../src/core/sync/scope.js';
import type { Random } from '../random.js';

/** A sync between two clusters, named by their places. */
export interface SyncShape {
  readonly a: number;
  readonly b: number;
  readonly aToB: Scope;
  readonly bToA: Scope | null;
}

export interface Topology {
  readonly name: string;
  readonly clusters: number;
  readonly syncs: readonly SyncShape[];
}

const scope = (from: string, to = from): Scope => ({ from: from as FullPath, to: to as FullPath, excludes: [], deletes: true, ttlSec: 0 });
const whole = scope('/');

const both = (a: number, b: number): SyncShape => ({ a, b, aToB: whole, bToA: whole });
const oneWay = (a: number, b: number): SyncShape => ({ a, b, aToB: whole, bToA: null });

/** How often each is drawn, relative to the others. */
const topologies: readonly (readonly [weight: number, Topology])[] = [[3, { name: 'pair', clusters: 2, syncs: [both(0, 1)] }]];

export function drawTopology(random: Random): Topology {
  const names = Object.fromEntries(topologies.map(([weight, { name }]) => [name, weight]));
  const name = random.weighted(names);
  return topologies.map(([, topology]) => topology).find((one) => one.name === name) as Topology;
}

export { both, oneWay, scope };
