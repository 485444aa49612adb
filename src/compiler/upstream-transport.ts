import { type Transport, transportWith } from "../caddy-json/transport.ts";
import type { IngressRule } from "../model/api.ts";
import type { CompilerSettings } from "./settings.ts";
import { upstreamTls } from "./upstream-tls.ts";

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
