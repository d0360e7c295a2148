/* What importing changes would do, by what it would write. */

export interface PlanCounts {
  readonly creates: number;
  readonly updates: number;
  readonly deletes: number;
  readonly renames: number;
  /** Of all of them, those that would meet a state which had not seen them, nor they it. */
  readonly conflicts: number;
}

export interface ImportPlan extends PlanCounts {
  readonly superseded: number;
  /** A deletion of what is not there counts too. */
  readonly unchanged: number;
  /** Bytes of the files that each kind writes, moves or deletes. */
  readonly bytes: PlanCounts;
}

const noCounts: PlanCounts = { creates: 0, updates: 0, deletes: 0, renames: 0, conflicts: 0 };
export const emptyPlan: ImportPlan = { ...noCounts, superseded: 0, unchanged: 0, bytes: noCounts };

/** What two would do together. */
export function addPlans(a: ImportPlan, b: ImportPlan): ImportPlan {
  return { ...addCounts(a, b), superseded: a.superseded + b.superseded, unchanged: a.unchanged + b.unchanged, bytes: addCounts(a.bytes, b.bytes) };
}

function addCounts(a: PlanCounts, b: PlanCounts): PlanCounts {
  return {
    creates: a.creates + b.creates,
    updates: a.updates + b.updates,
    deletes: a.deletes + b.deletes,
    renames: a.renames + b.renames,
    conflicts: a.conflicts + b.conflicts,
  };
}
