/**
 * Every error that Gatewright answers or logs, by its stable code.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
export const errorCatalogue = {
  // Codes of the wire contract, in the words of hypeman's middleware.
  "Bad Request": "The request is not well-formed, or does not fit the document in /openapi.json.",
  Unauthorized:
    "The bearer token is missing, malformed, unknown, deleted, expired or not signed with a key that is known.",
  Forbidden: "The token is valid but lacks the scope or the origin that this call needs.",
  too_many_attempts:
    "Too many wrong tokens came from this address; one that was not taken before is not looked at for a while.",
  bad_request: "The document fits the schema but breaks a rule of ingresses.",
  already_exists: "Another ingress has this name.",
  hostname_in_use: "Another rule claims this hostname, port and path, or an equivalent of them.",
  port_in_use: "Another process listens on the port, or another ingress has it whole.",
  port_not_permitted: "The operating system does not let Caddy listen on the port.",
  instance_not_found: "No instance has this name, id or unique id prefix.",
  instance_no_network: "The instance has no address.",
  domain_not_allowed: "TLS_ALLOWED_DOMAINS does not cover the hostname.",
  certificate_not_found: "No imported certificate has this id or name, or it does not cover the hostname.",
  certificate_in_use: "Rules use the certificate, so that it cannot be deleted.",
  tls_options_conflict:
    "Another rule wants other TLS options for the same host and port, or another issuer for the same name.",
  target_not_allowed:
    "The target is a listener of Gatewright itself, link-local, a metadata service of a cloud, another address that is no instance's, or loopback where that is not allowed.",
  module_missing: "The running Caddy lacks a module that a policy or a call needs; the message names it.",
  config_validation_failed: "Caddy refused the configuration.",
  not_found: "No resource has this id, name or unique id prefix.",
  ingress_set_aside: "The ingress is stored but not served: it conflicts with another or cannot be read.",
  ambiguous: "Several resources match; use the full id.",
  method_not_allowed: "The resource exists but does not take this method.",
  precondition_failed: "If-Match names another version than the present one.",
  payload_too_large: "The request body is larger than the limit.",
  archive_invalid: "The archive is damaged, cut off, of a newer form, or its passphrase is another one.",
  not_empty: "An archive is imported into an empty Gatewright only; the message says what is in the way.",
  source_unavailable: "The source of the instances does not answer; nothing was changed.",
  source_read_only: "Instances come from another source and cannot be written here.",
  identity_provider_unavailable:
    "The identity provider, whose keys tell whether a token is valid, does not answer; nothing was changed.",
  caddy_unavailable: "Caddy does not answer; nothing was changed.",
  store_unavailable:
    "The change could not be written to disk, or etcd does not take it; nothing was changed.",
  store_outcome_unknown:
    "etcd did not say whether it stored the change: it is there whole or not at all; look before you repeat it.",
  store_conflict: "Another writer changed the store meanwhile.",
  overloaded: "Too many connections are open, or other calls hold too much memory; nothing was changed.",
  import_under_way: "An archive is being imported, and nothing else can be changed; nothing was changed.",
  shutting_down: "Gatewright is stopping; nothing was changed.",
  internal_error: "An error of Gatewright's own; the log has the details.",
  // Codes of single problems, in `details`.
  required: "A required key is missing or empty.",
  unknown_key: "The key does not exist here; the message names the nearest one that does.",
  wrong_type: "The value has another type than the schema says.",
  out_of_range: "A number, length or count is outside its limits.",
  invalid_value: "The value is not one of those allowed, or has a wrong format.",
  invalid_hostname: "The hostname is not a name, pattern or wildcard that can be served.",
  invalid_target: "The target's captures do not fit the hostname's.",
  invalid_path: "The path is not an absolute path without `*`, `{` and `}`.",
  // Codes of starting up.
  config_invalid: "Settings in the environment are wrong; each is named.",
  caddy_build_failed: "Caddy could not be built or found; the message names the ways out.",
  caddy_modules_missing: "The Caddy binary lacks modules; the message names the xcaddy line that adds them.",
  caddy_start_failed: "Caddy ended or did not answer while starting.",
  address_in_use: "A listen address of Gatewright itself is taken.",
  address_unavailable:
    "A listen address of Gatewright itself is not one of this machine's, or is not permitted.",
  ingress_unreadable:
    "An ingress file could not be read; it is set aside; its name, hostnames and ports stay claimed.",
} as const;

/** A stable error code. */
export type ErrorCode = keyof typeof errorCatalogue;

/** One thing that is wrong, with the field it is in (`rules[0].match.path`) and the remedy in its message. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
}

/** The one base class of errors that Gatewright throws on purpose. */
export class GatewrightError extends Error {
  readonly code: ErrorCode;
  /** Every problem found, the first failing one first. */
  readonly details: readonly Problem[];
  /** When the same call may succeed; absent where that is not known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: readonly Problem[]; cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GatewrightError";
    this.code = code;
    this.details = options.details ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Whether `error` is a GatewrightError, with this code where one is given. */
export function isGatewrightError(error: unknown, code?: ErrorCode): error is GatewrightError {
  return error instanceof GatewrightError && (code === undefined || error.code === code);
}
