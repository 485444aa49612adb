import type { HttpServer } from "../caddy-json/config.ts";
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
