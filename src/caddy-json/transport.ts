import type { Duration } from "./duration.ts";

/** How requests are carried to a server. */
export type Transport = GatewrightTransport | HttpTransport;

/** Our own transport (caddy/transport): HTTP/1.1 without TLS. */
export interface GatewrightTransport {
  readonly protocol: "gatewright";
  readonly dial_timeout: Duration;
  readonly response_header_timeout?: Duration;
  /** Silence of the client while its request is read. Absent: the server's `read_idle_timeout`, and none for gRPC. */
  readonly read_idle_timeout?: Duration;
  /** Protocols that a connection may be handed over to, in lowercase. Absent: websocket alone. */
  readonly upgrade?: readonly string[];
}

/** Caddy's transport, with the checks of ours (caddy/transport). */
export interface HttpTransport {
  readonly protocol: "gatewright_http";
  /** Absent: the proxy that HTTP_PROXY and the like name. */
  readonly network_proxy: { readonly from: "none" };
  readonly dial_timeout: Duration;
  readonly response_header_timeout?: Duration;
  readonly compression: false;
  readonly keep_alive: { readonly max_idle_conns_per_host: number; readonly idle_timeout: Duration };
  readonly proxy_protocol?: "v1" | "v2";
  /** `["h2c"]`: HTTP/2 without TLS. Absent: HTTP/1.1, and HTTP/2 over TLS. */
  readonly versions?: readonly string[];
  readonly tls?: TransportTls;
  /** As in GatewrightTransport, and so is `upgrade`. */
  readonly read_idle_timeout?: Duration;
  readonly upgrade?: readonly string[];
}

/** Present: the upstream is spoken to by TLS. */
export interface TransportTls {
  readonly server_name?: string;
  readonly ca?: { readonly provider: "inline"; readonly trusted_ca_certs: readonly string[] };
  readonly client_certificate_file?: string;
  readonly client_certificate_key_file?: string;
  readonly insecure_skip_verify?: true;
}

/** What only Caddy's own transport does. */
type CaddyOptions = Pick<HttpTransport, "proxy_protocol" | "versions" | "tls">;

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
    protocol: "gatewright_http",
    ...timeouts,
    // HTTP_PROXY in Caddy's environment is for its way to the internet, not to instances, and would go past the guard.
    network_proxy: { from: "none" },
    // What the instance has encoded is passed on as it is, and nothing else is asked for.
    compression: false,
    // With Caddy's default of 32 idle connections a busy instance is dialled again and again.
    keep_alive: { max_idle_conns_per_host: 256, idle_timeout: "2m" },
    ...options,
  };
}
