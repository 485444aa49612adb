import { expect, it } from "vitest";
import { eventually, handshake } from "../../support/acme/handshake.ts";
import { startTlsWorld } from "../../support/acme/tls-world.ts";
import { createIngress } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { openTlsLines, startLineServer } from "../../support/streams.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const world = use(() => startTlsWorld());
// Pebble asks for HTTP-01 where nobody answers: what is left is TLS-ALPN-01.
const gatewright = useGatewright(
  async () => ({ ...world.ports, HTTP_PORT: String(await freePort()) }),
  ["vm"],
);
const secure = use(async () => {
  const { certificate: cert, key } = await world.authority.issue({ names: [`raw.${world.zone}`] });
  return startLineServer("raw", { tls: { cert, key } });
});

it("gets certificates by TLS-ALPN-01 on a port that passes other names through", async () => {
  const port = world.httpsPort;
  const target = { instance: "vm", port: secure.port };
  const created = await createIngress({
    url: gatewright.url,
    name: "shared",
    rules: [
      { match: { protocol: "tls", hostname: `raw.${world.zone}`, port }, target },
      { match: { protocol: "tls", hostname: "*", port }, target },
      { match: { hostname: `web.${world.zone}`, port }, target, tls: true },
      { match: { protocol: "tcp", hostname: `ended.${world.zone}`, port }, target, tls: true },
    ],
  });
  expect(created.status, created.text).toBe(201);
  for (const name of ["web", "ended"]) {
    const host = `${name}.${world.zone}`;
    const ca = await world.pebble.root();
    const shown = await eventually(() => handshake({ port, host, ca }));
    expect(shown.names).toBe(`DNS:${host}`);
  }
  using raw = await openTlsLines({ port, servername: `raw.${world.zone}`, ca: world.authority.pem });
  expect(await raw.ask("hello")).toBe("raw hello");
});
