import { join } from "node:path";
import { failuresOf } from "../load-generator.ts";
import { startCaddyPeer } from "../peers/caddy.ts";
import { flatRoutes } from "../peers/flat-routes.ts";
import type { Row } from "../row.ts";

/** More routes make the run a test of patience. */
const LARGEST = 10_000;

/** What the route list of hypeman's built-in manager serves, for comparison. */
export const flatProxied: Row = {
  key: "flat-proxied",
  about: "proxied requests/s of flat routes as hypeman renders them (up to 10,000)",
  quick: false,
  async measure(bench, site) {
    if (site.size > LARGEST) return [];
    const dnsPort = site.gatewright.ports.dns;
    await using peer = await startCaddyPeer(
      bench.caddyBinary,
      join(bench.scratch, `flat-proxied-${site.size}`),
      flatRoutes(site.size, { port: bench.backendPort, dnsPort }),
    );
    const flags = { connections: 64, duration: `${bench.options.runMs}ms`, warmup: "500ms" };
    const ours = await bench.load.run("http", { ...site.target, ...flags });
    const flat = await bench.load.run("http", {
      ...site.target,
      ...flags,
      target: `127.0.0.1:${peer.httpPort}`,
    });
    return [
      {
        row: "flat-proxied",
        what: `proxied requests, against flat routes${failuresOf(flat) > 0 ? " (which failed in part)" : ""}`,
        size: site.size,
        value: ours.requests_per_second,
        unit: "/s",
        peer: { name: "flat routes", value: flat.requests_per_second },
        ratio: ours.requests_per_second / flat.requests_per_second,
      },
    ];
  },
};
