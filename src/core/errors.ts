/** Failures a caller may act on: one table for the HTTP status, the exit code and whether trying again can help. */
interface Failure {
  /** HTTP status it is answered with. */
  readonly status: number;
  /** Exit code of a command that ends with it. */
  readonly exit: number;
  /** True if the same call may succeed later without anybody changing anything. */
  readonly retriable: boolean;
}

const define = <K extends string>(table: Record<K, Failure>): Readonly<Record<K, Failure>> => table;

/** One row per code. Codes are stable: clients switch on them, never on the message. */
export const failures = define({
  PATH_INVALID: { status: 400, exit: 2, retriable: false },
  PARAMETER_INVALID: { status: 400, exit: 2, retriable: false },
  BODY_INVALID: { status: 400, exit: 2, retriable: false },
  DIGEST_MISMATCH: { status: 400, exit: 1, retriable: false },
  VERSION_AHEAD: { status: 400, exit: 1, retriable: false },
  RESERVED_PATH: { status: 400, exit: 2, retriable: false },
  SIGNATURE_INVALID: { status: 401, exit: 4, retriable: false },
  HOST_REFUSED: { status: 403, exit: 4, retriable: false },
  LISTING_DISABLED: { status: 403, exit: 4, retriable: false },
  ENTRY_NOT_FOUND: { status: 404, exit: 1, retriable: false },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, retriable: false },
  ENTRY_EXISTS: { status: 409, exit: 1, retriable: false },
  IS_A_DIRECTORY: { status: 409, exit: 1, retriable: false },
  PARENT_IS_FILE: { status: 409, exit: 1, retriable: false },
  DIRECTORY_NOT_EMPTY: { status: 409, exit: 1, retriable: false },
  ORIGIN_IN_USE: { status: 409, exit: 4, retriable: true },
  ORIGIN_DIVERGED: { status: 409, exit: 1, retriable: true },
  ORIGIN_CLOSED: { status: 409, exit: 1, retriable: false },
  ADDRESS_IN_USE: { status: 409, exit: 2, retriable: true },
  TOO_MANY_ORIGINS: { status: 409, exit: 1, retriable: false },
  CLUSTER_MISMATCH: { status: 409, exit: 4, retriable: false },
  TOPOLOGY_MIXED: { status: 409, exit: 4, retriable: false },
  CONTENT_NOT_HERE: { status: 409, exit: 1, retriable: false },
  LOG_TRIMMED: { status: 410, exit: 1, retriable: false },
  OFFSET_UNKNOWN: { status: 410, exit: 1, retriable: false },
  LINK_EXPIRED: { status: 410, exit: 1, retriable: false },
  PRECONDITION_FAILED: { status: 412, exit: 1, retriable: false },
  BODY_TOO_LARGE: { status: 413, exit: 1, retriable: false },
  SUBTREE_TOO_LARGE: { status: 413, exit: 1, retriable: false },
  NAME_TOO_LONG: { status: 414, exit: 2, retriable: false },
  RANGE_INVALID: { status: 416, exit: 1, retriable: false },
  RATE_LIMITED: { status: 429, exit: 3, retriable: true },
  INTERNAL: { status: 500, exit: 70, retriable: true },
  PEER_UNREACHABLE: { status: 502, exit: 3, retriable: true },
  OVERLOADED: { status: 503, exit: 3, retriable: true },
  STORE_LOCKED: { status: 503, exit: 5, retriable: true },
  CLOCK_SKEWED: { status: 503, exit: 1, retriable: true },
  BOOTSTRAPPING: { status: 503, exit: 1, retriable: true },
  POSITION_BEHIND: { status: 503, exit: 1, retriable: true },
  STOPPING: { status: 503, exit: 3, retriable: true },
  STORE_FAILED: { status: 503, exit: 5, retriable: true },
  STORE_FULL: { status: 507, exit: 5, retriable: true },
  QUARANTINE_FULL: { status: 507, exit: 5, retriable: true },
  /* Never on the wire: what a command ends with. */
  USAGE: { status: 400, exit: 2, retriable: false },
  TOO_MANY_DELETES: { status: 409, exit: 1, retriable: false },
  STORE_TOO_NEW: { status: 500, exit: 5, retriable: false },
  TIMED_OUT: { status: 504, exit: 1, retriable: true },
});

export type FailureCode = keyof typeof failures;

/** JSON body of every error answer. */
export interface WireError {
  error: string;
  code: string;
  [field: string]: unknown;
}

/**
 * A failure with a stable code. `message` states the fact, then the cure, in lower case. `fields` are the numbers a
 * cure needs (a position, the first offset left, a peer's address); they travel in the JSON body beside `error`.
 */
export class FilerError extends Error {
  override readonly name = 'FilerError';
  readonly code: FailureCode;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: FailureCode, message: string, fields: Record<string, unknown> = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.fields = fields;
  }

  get status(): number {
    return failures[this.code].status;
  }

  get exit(): number {
    return failures[this.code].exit;
  }

  get retriable(): boolean {
    return failures[this.code].retriable;
  }

  toWire(): WireError {
    return { error: this.message, code: this.code, ...this.fields };
  }

  /** Rebuilds the failure a peer answered with; an unknown code becomes `fallback`. */
  static fromWire(body: unknown, fallback: FailureCode, context: string): FilerError {
    if (typeof body === 'object' && body !== null) {
      const { error, code, ...fields } = body as Partial<WireError>;
      if (typeof error === 'string') {
        const known = typeof code === 'string' && Object.hasOwn(failures, code) ? (code as FailureCode) : fallback;
        return new FilerError(known, error, fields);
      }
    }
    return new FilerError(fallback, `${context}: the answer carries no JSON error`);
  }
}

/** True if `error` is a FilerError, with one of `codes` if any are named. */
export function isFailure(error: unknown, ...codes: FailureCode[]): error is FilerError {
  return error instanceof FilerError && (codes.length === 0 || codes.includes(error.code));
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
