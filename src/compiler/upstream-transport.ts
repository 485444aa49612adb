import type { IngressRule } from "../model/api.ts";
import type { GatewrightTransport, HttpTransport, Transport } from "./caddy-json.ts";
import type { CompilerSettings } from "./settings.ts";
import { upstreamTls } from "./upstream-tls.ts";

/** What only Caddy's own transport does. */
type CaddyOptions = Pick<HttpTransport, "proxy_protocol" | "versions" | "tls">;

/** How a rule's requests are carried to the instance. */
export function transportOf(rule: IngressRule, settings: CompilerSettings): Transport {
  const { scheme = "http", proxy_protocol } = rule.upstream ?? {};
  const { connect = settings.timeouts.connect, response_header } = rule.policies?.timeouts ?? {};
  return transportWith(
    {
      dial_timeout: connect,
      ...(response_header === undefined ? {} : { response_header_timeout: response_header }),
    },
    {
      ...(proxy_protocol === undefined ? {} : { proxy_protocol }),
      ...(scheme === "h2c" ? { versions: ["h2c"] } : {}),
      ...(scheme === "https" ? { tls: upstreamTls(rule.upstream?.tls, settings) } : {}),
    },
  );
}

/**
 * Our own transport where HTTP/1.1 without TLS is spoken, which is cheaper and keeps its connections through reloads, and
 * else Caddy's `http`
 * (https://caddyserver.com/docs/json/apps/http/servers/routes/handle/reverse_proxy/transport/http/).
 */
export function transportWith(
  timeouts: Omit<GatewrightTransport, "protocol">,
  options: CaddyOptions,
): Transport {
  if (Object.keys(options).length === 0) return { protocol: "gatewright", ...timeouts };
  return {
    protocol: "http",
    ...timeouts,
    // HTTP_PROXY in Caddy's environment is for its way to the internet, not to instances, and would go past the guard.
    network_proxy: { from: "none" },
    // What the instance has encoded is passed on as it is, and nothing else is asked for.
    compression: false,
    // Caddy's default of 32 idle connections makes a busy instance dial anew under load.
    keep_alive: { max_idle_conns_per_host: 256, idle_timeout: "2m" },
    ...options,
  };
}
