import type { HttpServer, ListenerWrapper } from "../caddy-json/config.ts";
import { fromNetworks } from "../policies/networks.ts";
import type { CompilerSettings } from "./settings.ts";

type TrustedProxies = Pick<HttpServer, "trusted_proxies" | "trusted_proxies_strict">;

/**
 * Whom a server believes what it says about the client (https://caddyserver.com/docs/json/apps/http/servers/).
 * Strict: X-Forwarded-For is read from its end, past trusted proxies, so that what a client wrote into it never counts.
 */
export function trustedProxies({ trustedProxies: networks = [] }: CompilerSettings): TrustedProxies {
  if (networks.length === 0) return {};
  const ranges = fromNetworks(networks).client_ip?.ranges ?? [];
  return { trusted_proxies: { source: "static", ranges }, trusted_proxies_strict: 1 };
}

/**
 * Reads a PROXY protocol header where a connection comes from one of the networks, before anything else is read.
 * Connections from elsewhere are taken as they are: a header on them is no request, so that nobody can claim an address.
 */
export function withProxyProtocol(
  wrappers: readonly ListenerWrapper[],
  { proxyProtocol: networks = [] }: CompilerSettings,
): readonly ListenerWrapper[] {
  if (networks.length === 0) return wrappers;
  const reader: ListenerWrapper = {
    wrapper: "proxy_protocol",
    timeout: "5s",
    allow: networks,
    fallback_policy: "SKIP",
  };
  return [reader, ...(wrappers.length === 0 ? [{ wrapper: "tls" } as const] : wrappers)];
}
