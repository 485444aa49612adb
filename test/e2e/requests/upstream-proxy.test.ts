import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, it } from "vitest";
import { createIngress, putInstance, rule, visit } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { startGatewright } from "../../support/gatewright.ts";

// Go never sends loopback addresses through a proxy, so that it takes another one to see the difference.
const address = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

it.skipIf(address === undefined)(
  "instances are reached directly, whatever HTTP_PROXY says",
  async () => {
    let proxied = 0;
    const proxy: Server = createServer((socket) => {
      proxied += 1;
      socket.destroy();
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as { readonly port: number };
    await using backend = await startBackend("web", address);
    await using gatewright = await startGatewright({ HTTP_PROXY: `http://127.0.0.1:${port}` });
    await putInstance(gatewright.url, "web", address ?? "");
    await createIngress({
      url: gatewright.url,
      name: "direct",
      rules: [rule("direct.test", "web", backend.port)],
    });
    const answer = await visit<Seen>(gatewright.ports.http, "direct.test");
    expect([answer.status, answer.body?.backend, proxied]).toEqual([200, "web", 0]);
    proxy.close();
  },
  60_000,
);
