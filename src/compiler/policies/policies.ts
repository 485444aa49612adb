import type { IngressRule } from "../../model/api.ts";
import { byteSize } from "../../model/byte-size.ts";
import type { CompilerSettings } from "../settings.ts";
import { accessHandlers } from "./access.ts";
import { basicAuthHandlers } from "./basic-auth.ts";
import { forwardAuthHandlers } from "./forward-auth.ts";
import type { PolicyHandler } from "./handler-json.ts";
import { responseHeaderHandlers } from "./headers.ts";
import { maintenanceHandlers } from "./maintenance.ts";
import { rateLimitHandlers } from "./rate-limit.ts";
import { rewriteHandlers } from "./rewrite.ts";

/** What one policy of a rule becomes. */
export interface RenderedPolicy {
  /** Its key in `policies`; "" for what every rule has. */
  readonly policy: string;
  readonly handlers: readonly PolicyHandler[];
}

/**
 * What a rule's requests run through before the proxy, in the order in which they do:
 * access, rate limit, maintenance, authentication, headers, rewrite.
 */
export function renderPolicies(rule: IngressRule, settings: CompilerSettings): readonly RenderedPolicy[] {
  const { access, rate_limit, maintenance, basic_auth, forward_auth, headers, compress, max_request_body } =
    rule.policies ?? {};
  const size = max_request_body === undefined ? undefined : byteSize(max_request_body);
  const rendered: readonly RenderedPolicy[] = [
    { policy: "access", handlers: access === undefined ? [] : accessHandlers(access) },
    { policy: "rate_limit", handlers: rate_limit === undefined ? [] : rateLimitHandlers(rate_limit) },
    { policy: "maintenance", handlers: maintenance === undefined ? [] : maintenanceHandlers(maintenance) },
    { policy: "", handlers: [{ handler: "gatewright_forwarded" }] },
    { policy: "basic_auth", handlers: basic_auth === undefined ? [] : basicAuthHandlers(basic_auth) },
    {
      policy: "forward_auth",
      handlers: forward_auth === undefined ? [] : forwardAuthHandlers(forward_auth, settings),
    },
    { policy: "headers", handlers: headers === undefined ? [] : responseHeaderHandlers(headers) },
    { policy: "compress", handlers: compress === true ? [encode] : [] },
    {
      policy: "max_request_body",
      handlers: size === undefined ? [] : [{ handler: "request_body", max_size: size }],
    },
    { policy: "rewrite", handlers: rewriteHandlers(rule) },
  ];
  return rendered.filter(({ handlers }) => handlers.length > 0);
}

const encode: PolicyHandler = {
  handler: "encode",
  encodings: { zstd: {}, gzip: {} },
  prefer: ["zstd", "gzip"],
};
