/** An invariant of DESIGN §3 does not hold. */
export class Violation extends Error {
  constructor(
    readonly invariant: string,
    message: string,
  ) {
    super(`${invariant} ${message}`);
  }
}
