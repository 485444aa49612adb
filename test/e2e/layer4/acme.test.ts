import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, handshake } from "../../support/acme/handshake.ts";
import { startTlsWorld, type TlsWorld } from "../../support/acme/tls-world.ts";
import { createIngress, putInstance } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { type Gatewright, startGatewright } from "../../support/gatewright.ts";
import { type LineServer, openTlsLines, startLineServer } from "../../support/streams.ts";

let world: TlsWorld;
let gatewright: Gatewright;
let secure: LineServer;

beforeAll(async () => {
  world = await startTlsWorld();
  // Pebble asks for HTTP-01 where nobody answers: what is left is TLS-ALPN-01.
  gatewright = await startGatewright({ ...world.ports, HTTP_PORT: String(await freePort()) });
  const { certificate: cert, key } = await world.authority.issue({ names: [`raw.${world.zone}`] });
  secure = await startLineServer("raw", { tls: { cert, key } });
  await putInstance(gatewright.url, "vm", "127.0.0.1");
});

afterAll(async () => {
  await gatewright?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
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
