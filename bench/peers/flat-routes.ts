import type { PeerRoute } from "./caddy.ts";

/** What the flat routes lead to. */
export interface FlatTargets {
  readonly port: number;
  readonly dnsPort: number;
}

/**
 * A route for each hostname and the catch-all behind them, as hypeman's built-in manager renders them. Its `/load` on
 * each change is what a create costs there, without the reading of files that it does besides.
 */
export function flatRoutes(count: number, { port, dnsPort }: FlatTargets): readonly PeerRoute[] {
  const routes: PeerRoute[] = [];
  for (let number = 0; number < count; number++) {
    routes.push({
      match: [{ host: [`h${number}.bench.test`] }],
      handle: [
        {
          handler: "reverse_proxy",
          dynamic_upstreams: {
            source: "a",
            name: `vm-${number}.hypeman.internal`,
            port: String(port),
            resolver: { addresses: [`127.0.0.1:${dnsPort}`] },
          },
        },
      ],
      terminal: true,
    });
  }
  routes.push({
    handle: [
      {
        handler: "static_response",
        status_code: 404,
        headers: { "Content-Type": ["text/plain; charset=utf-8"] },
        body: "Not Found: no ingress configured for hostname {http.request.host}",
      },
    ],
  });
  return routes;
}
