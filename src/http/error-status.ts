import type { ErrorCode } from "../errors.ts";

/**
 * The HTTP status of every error code, chosen here once.
 * Codes of single problems and of starting up never become an answer's own code; should one, it is the caller's
 * document (400) or our failure (500).
 */
export const errorStatus: { readonly [code in ErrorCode]: number } = {
  "Bad Request": 400,
  Unauthorized: 401,
  Forbidden: 403,
  bad_request: 400,
  already_exists: 409,
  hostname_in_use: 409,
  port_in_use: 409,
  port_not_permitted: 400,
  instance_not_found: 400,
  instance_no_network: 400,
  domain_not_allowed: 400,
  target_not_allowed: 400,
  config_validation_failed: 400,
  not_found: 404,
  ambiguous: 409,
  method_not_allowed: 405,
  precondition_failed: 412,
  payload_too_large: 413,
  source_unavailable: 503,
  source_read_only: 409,
  caddy_unavailable: 503,
  store_unavailable: 503,
  store_conflict: 503,
  shutting_down: 503,
  internal_error: 500,
  required: 400,
  unknown_key: 400,
  wrong_type: 400,
  out_of_range: 400,
  invalid_value: 400,
  invalid_hostname: 400,
  invalid_target: 400,
  invalid_path: 400,
  config_invalid: 500,
  caddy_build_failed: 500,
  caddy_modules_missing: 500,
  caddy_start_failed: 500,
  address_in_use: 500,
  address_unavailable: 500,
  ingress_unreadable: 500,
};
