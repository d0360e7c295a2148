import type { FullPath } from '../../../src/core/entry/path.js';
import type { Scope } from '../../../src/core/sync/scope.js';
import type { Random } from '../random.js';

/** A sync between two clusters, named by their places. */
export interface SyncShape {
  readonly a: number;
  readonly b: number;
  readonly aToB: Scope;
  /** Null: b is passive. */
  readonly bToA: Scope | null;
}

export interface Topology {
  readonly name: string;
  readonly clusters: number;
  readonly syncs: readonly SyncShape[];
  /**
   * True if every link has a link back, whoever runs it. Only then does a source know what may still come back to it, and may drop tombstones
   * soon (docs/protocol.md, "Differences from the design").
   */
  readonly knowsWayBack: boolean;
  /** True if a path is called the same everywhere. */
  readonly isWhole: boolean;
  /** True if nothing ever comes back: what is deleted in the target stays deleted there. */
  readonly isPassive?: boolean;
}

const scope = (from: string, to = from, deletes = true): Scope => ({ from: from as FullPath, to: to as FullPath, excludes: [], deletes, ttlSec: 0 });
const whole = scope('/');
const both = (a: number, b: number): SyncShape => ({ a, b, aToB: whole, bToA: whole });
const oneWay = (a: number, b: number): SyncShape => ({ a, b, aToB: whole, bToA: null });
const remapped = (a: number, b: number, from: string, to: string): SyncShape => ({ a, b, aToB: scope(from, to), bToA: scope(to, from) });

const topologies: readonly (Omit<Topology, 'isWhole'> & { readonly weight: number })[] = [
  { name: 'pair', weight: 3, clusters: 2, syncs: [both(0, 1)], knowsWayBack: true },
  { name: 'pair, two one-way syncs', weight: 1, clusters: 2, syncs: [oneWay(0, 1), oneWay(1, 0)], knowsWayBack: true },
  { name: 'pair, two runners', weight: 2, clusters: 2, syncs: [both(0, 1), both(0, 1)], knowsWayBack: true },
  { name: 'pair, one passive', weight: 1, clusters: 2, syncs: [oneWay(0, 1)], knowsWayBack: true, isPassive: true },
  { name: 'pair, other paths', weight: 1, clusters: 2, syncs: [remapped(0, 1, '/a', '/b')], knowsWayBack: true },
  { name: 'ring of three', weight: 1, clusters: 3, syncs: [oneWay(0, 1), oneWay(1, 2), oneWay(2, 0)], knowsWayBack: false },
  { name: 'ring of three, both ways', weight: 2, clusters: 3, syncs: [both(0, 1), both(1, 2), both(2, 0)], knowsWayBack: true },
  {
    name: 'mesh of three, two runners a pair',
    weight: 1,
    clusters: 3,
    syncs: [both(0, 1), both(1, 2), both(2, 0), both(0, 1), both(1, 2), both(2, 0)],
    knowsWayBack: true,
  },
  {
    name: 'ring of three, other paths',
    weight: 1,
    clusters: 3,
    syncs: [remapped(0, 1, '/a', '/b'), remapped(1, 2, '/b', '/a'), remapped(2, 0, '/a', '/a')],
    knowsWayBack: true,
  },
  { name: 'chain of three', weight: 1, clusters: 3, syncs: [both(0, 1), both(1, 2)], knowsWayBack: true },
];

export function drawTopology(random: Random): Topology {
  const name = random.weighted(Object.fromEntries(topologies.map((one) => [one.name, one.weight])));
  const drawn = topologies.find((one) => one.name === name) as (typeof topologies)[number];
  return { ...drawn, isWhole: drawn.syncs.every(({ aToB: { from, to } }) => from === to) };
}
