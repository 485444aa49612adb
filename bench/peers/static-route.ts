import type { PeerRoute } from "./caddy.ts";

/**
 * The best that Caddy does: one route that matches everything, one fixed upstream. The transport is set as in our
 * policy sets, so that the peer does not lose by its connection pool.
 */
export function staticRoute(address: string, port: number): PeerRoute {
  return {
    handle: [
      {
        handler: "reverse_proxy",
        upstreams: [{ dial: `${address}:${port}` }],
        transport: {
          protocol: "http",
          dial_timeout: "3s",
          keep_alive: { max_idle_conns_per_host: 256, idle_timeout: "2m" },
        },
      },
    ],
  };
}
