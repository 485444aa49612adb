import { once } from "node:events";
import { connect } from "node:net";
import { freePort } from "../../test/support/free-port.ts";
import { until } from "../../test/support/until.ts";
import type { Row } from "../row.ts";
import { median } from "../statistics.ts";
import { creates } from "./create.ts";
import { failures, watched } from "./watched.ts";

/** A create on a port that nobody listens on yet: it takes a `/load` of the whole configuration. */
export const apply: Row = {
  key: "apply",
  about: "creates and deletes of new listen ports, each a reload of Caddy, and what clients notice of them",
  async measure(bench, site) {
    const times: number[] = [];
    const seen = await watched(bench, site, async () => {
      let port = 0;
      for (let number = 0; number < (bench.options.quick ? 3 : 10); number++) {
        port = await freePort();
        const body = creates(bench, site, "port")
          .body.replaceAll("%d", String(number))
          .replace(/"port":\d+\}/, `"port":${port}}`);
        times.push((await site.api.succeed({ method: "POST", path: "/ingresses", body })).totalMs);
        await site.api.succeed({ method: "DELETE", path: `/ingresses/port-${number}` });
      }
      await until(async () => !(await isOpen(port)));
    });
    return [
      {
        row: "apply",
        what: "create on a new port (reload)",
        size: site.size,
        value: median(times),
        unit: "ms",
      },
      ...failures("apply", "reloads", site.size, [seen]),
    ];
  },
};

function isOpen(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  return once(socket, "connect")
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy());
}
