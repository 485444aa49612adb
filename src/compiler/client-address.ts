import type { DispatcherHandler, HttpServer } from "../caddy-json/config.ts";
import { fromNetworks } from "../policies/networks.ts";
import type { CompilerSettings } from "./settings.ts";

type TrustedProxies = Pick<HttpServer, "trusted_proxies" | "trusted_proxies_strict">;

/** The networks in the form that Caddy takes. */
function rangesOf(networks: readonly string[]): readonly string[] {
  return fromNetworks(networks).client_ip?.ranges ?? [];
}

/** The dispatcher, who reads what trusted proxies write more strictly than the server. */
export function dispatcher({ trustedProxies: networks = [] }: CompilerSettings): DispatcherHandler {
  if (networks.length === 0) return { handler: "gatewright" };
  return { handler: "gatewright", trusted_proxies: rangesOf(networks) };
}

/**
 * Whom a server believes what it says about the client (https://caddyserver.com/docs/json/apps/http/servers/).
 * Strict: X-Forwarded-For is read from its end, past trusted proxies, so that what a client wrote into it never counts.
 */
export function trustedProxies({ trustedProxies: networks = [] }: CompilerSettings): TrustedProxies {
  if (networks.length === 0) return {};
  return {
    trusted_proxies: { source: "static", ranges: rangesOf(networks) },
    trusted_proxies_strict: 1,
  };
}
