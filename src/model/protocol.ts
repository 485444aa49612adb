import type { IngressMatch } from "./api.ts";

/** What a rule takes: requests, or connections of layer 4. */
export type Protocol = NonNullable<IngressMatch["protocol"]>;

interface WithMatch {
  readonly match: { readonly protocol?: Protocol; readonly hostname?: string };
  readonly tls?: boolean;
}

export function protocolOf({ match }: WithMatch): Protocol {
  return match.protocol ?? "http";
}

/** Whether the rule takes connections instead of requests. */
export function isLayer4(rule: WithMatch): boolean {
  return protocolOf(rule) !== "http";
}

/** Whether TLS clients are told apart by the name that they ask for: all of HTTP, and passed or ended by name. */
export function isNamed(rule: WithMatch): boolean {
  const protocol = protocolOf(rule);
  return protocol === "http" || protocol === "tls" || (protocol === "tcp" && rule.tls === true);
}
