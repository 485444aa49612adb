import { systemCode } from "../durable.ts";

/** What kind of failure it was. */
export type FailureKind =
  /** Nobody was reached, no leader, no quorum, no answer in time: it may go well later. */
  | "unavailable"
  /** What was asked for is older than what etcd keeps. */
  | "compacted"
  /** The token of the connection is not taken any more. */
  | "token"
  /** etcd understood, and does not do it: rights, sizes, a full database. */
  | "refused";

/** A call of etcd that failed. Its message is for operators and holds no secret. */
export class EtcdFailure extends Error {
  readonly kind: FailureKind;
  /** Whether it is certain that nothing was changed; else it may have been, or may be yet. */
  readonly isCertain: boolean;

  constructor(kind: FailureKind, message: string, options: { isCertain: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = "EtcdFailure";
    this.kind = kind;
    this.isCertain = options.isCertain;
  }
}

/** Codes of gRPC (https://grpc.io/docs/guides/status-codes/). */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNAUTHENTICATED = 16;

/** The failure that an answer of the JSON gateway tells. */
export function failureOf(text: string, endpoint: string): EtcdFailure {
  const { code = 0, message = text.slice(0, 200) } = parsed(text);
  const said = `etcd (${endpoint}) answered: ${message}`;
  if (code === OUT_OF_RANGE) return new EtcdFailure("compacted", said, { isCertain: true });
  // Rights were changed since the token was made.
  if (code === UNAUTHENTICATED || /auth store is old|invalid auth token/.test(message))
    return new EtcdFailure("token", said, { isCertain: true });
  const refusals = [INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION];
  if (refusals.includes(code)) return new EtcdFailure("refused", said, { isCertain: true });
  return new EtcdFailure("unavailable", said, { isCertain: false });
}

function parsed(text: string): { readonly code?: number; readonly message?: string } {
  try {
    return JSON.parse(text) as { code?: number; message?: string };
  } catch {
    // A proxy's page, for instance.
    return {};
  }
}

/** Of these it is certain that no request was sent. */
const unsent: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** The failure of a connection. */
export function connectionFailure(error: unknown, endpoint: string): EtcdFailure {
  const code = systemCode(error) ?? "";
  const isTls = /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|HOSTNAME)/.test(code);
  const isLate =
    ["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"].includes(code) ||
    (error instanceof Error && error.name === "TimeoutError");
  const reason = isLate ? "no answer in time" : error instanceof Error ? error.message : String(error);
  return new EtcdFailure("unavailable", `etcd (${endpoint}) cannot be reached: ${reason}`, {
    isCertain: isTls || unsent.has(code),
    cause: error,
  });
}
