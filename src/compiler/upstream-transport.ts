import { type Transport, transportWith } from "../caddy-json/transport.ts";
import type { IngressRule, Upstream } from "../model/api.ts";
import type { CompilerSettings } from "./settings.ts";
import { upstreamTls } from "./upstream-tls.ts";

/** How a rule's requests are carried to the instance. */
export function transportOf(rule: IngressRule, settings: CompilerSettings): Transport {
  const { scheme = "http", proxy_protocol, upgrade } = rule.upstream ?? {};
  const { connect = settings.timeouts.connect, response_header, read_idle } = rule.policies?.timeouts ?? {};
  return transportWith(
    {
      dial_timeout: connect,
      ...(response_header === undefined ? {} : { response_header_timeout: response_header }),
      ...(read_idle === undefined ? {} : { read_idle_timeout: read_idle }),
      ...(upgrade === undefined ? {} : { upgrade: lowercased(upgrade) }),
    },
    {
      ...(proxy_protocol === undefined ? {} : { proxy_protocol }),
      ...versionsOf(scheme, upgrade),
      ...(scheme === "https" ? { tls: upstreamTls(rule.upstream?.tls, settings) } : {}),
    },
  );
}

/** Caddy gives up HTTP/2 over TLS by itself for WebSockets, and for no other protocol. */
function versionsOf(
  scheme: NonNullable<Upstream["scheme"]>,
  upgrade: readonly string[] = [],
): { readonly versions?: readonly string[] } {
  if (scheme === "h2c") return { versions: ["h2c"] };
  const needsFirst = lowercased(upgrade).some((protocol) => protocol !== "websocket");
  return scheme === "https" && needsFirst ? { versions: ["1.1"] } : {};
}

/** Names of protocols compare without case (RFC 9110 section 7.8), and their order is the client's. */
function lowercased(protocols: readonly string[]): readonly string[] {
  return [...new Set(protocols.map((protocol) => protocol.toLowerCase()))].sort();
}
