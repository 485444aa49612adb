import type { IngressRule } from "../model/api.ts";
import type { HttpTransport } from "./caddy-json.ts";
import type { CompilerSettings } from "./settings.ts";
import { upstreamTls } from "./upstream-tls.ts";

/**
 * How a rule's requests are carried to the instance: Caddy's `http` transport
 * (https://caddyserver.com/docs/json/apps/http/servers/routes/handle/reverse_proxy/transport/http/).
 */
export function transportOf(rule: IngressRule, settings: CompilerSettings): HttpTransport {
  const { scheme = "http", proxy_protocol } = rule.upstream ?? {};
  const { connect = settings.timeouts.connect, response_header } = rule.policies?.timeouts ?? {};
  return {
    protocol: "http",
    dial_timeout: connect,
    // HTTP_PROXY in Caddy's environment is for its way to the internet, not to instances, and would go past the guard.
    network_proxy: { from: "none" },
    ...(response_header === undefined ? {} : { response_header_timeout: response_header }),
    // Caddy's default of 32 idle connections makes a busy instance dial anew under load.
    keep_alive: { max_idle_conns_per_host: 256, idle_timeout: "2m" },
    ...(proxy_protocol === undefined ? {} : { proxy_protocol }),
    ...(scheme === "h2c" ? { versions: ["h2c"] } : {}),
    ...(scheme === "https" ? { tls: upstreamTls(rule.upstream?.tls, settings) } : {}),
  };
}
