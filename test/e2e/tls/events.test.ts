import { expect, it } from "vitest";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, rule } from "../../support/api.ts";
import { openEventStream } from "../../support/event-stream.ts";

const { world, gatewright, backend } = useTlsSite((made) => ({
  ...made.dnsChallenge,
  // As long as what Pebble signs, and what the test imports.
  TLS_EXPIRY_WARNING: "10000h",
}));
const make = (host: string) =>
  gatewright.make(host.replaceAll(".", "-"), rule(host, "web-1", backend.port, {}, { tls: true }));

it("a certificate that is ordered and issued", async () => {
  using events = await openEventStream(gatewright.url, "?type=certificate");
  const gate = Promise.withResolvers<void>();
  world.dns.gate = gate.promise;
  await make("good.example.test");
  await events.find(({ type }) => type === "certificate.ordered");
  gate.resolve();
  const issued = await events.find(({ type }) => type === "certificate.issued");
  expect(events.events.map(({ type, data }) => ({ type, ...data }))).toMatchObject([
    { type: "certificate.ordered", certificate: { name: "good.example.test" }, data: { issuer: "acme" } },
    { type: "certificate.issued", certificate: { name: "good.example.test" } },
  ]);
  const { issuer, serial } = issued.data["data"] as { issuer: string; serial: string };
  const { body } = await call<{ issuer: string; serial: string }>(
    `${gatewright.url}/certificates/good.example.test`,
  );
  expect({ issuer, serial }).toEqual({ issuer: body.issuer, serial: body.serial });
});

it("an order that fails, with its reason, and is told once until it is another one", async () => {
  using events = await openEventStream(gatewright.url, "?type=certificate");
  await world.pebble[Symbol.asyncDispose]();
  await make("bad.example.test");
  const failed = await events.find(({ type }) => type === "certificate.failed");
  expect(failed.data).toMatchObject({ certificate: { name: "bad.example.test" }, data: { failures: 1 } });
});

it("one that ends soon", async () => {
  using events = await openEventStream(gatewright.url, "?type=certificate.expiring");
  const { certificate, key } = await world.authority.issue({ names: ["soon.example.test"] });
  const body = { name: "soon", certificate_pem: certificate, key_pem: key };
  expect((await call(`${gatewright.url}/certificates`, { body })).status).toBe(201);
  // Everything is looked at when somebody asks for everything.
  await call(`${gatewright.url}/certificates`);
  const expiring = await events.find(({ type }) => type === "certificate.expiring");
  expect(expiring.data).toMatchObject({ certificate: { name: "soon" } });
});

it("what was issued before a start is no news after it", async () => {
  await gatewright.stop();
  await gatewright.start();
  await call(`${gatewright.url}/certificates`);
  using events = await openEventStream(gatewright.url, "?since=0&type=certificate,gateway");
  await events.find(({ type, data }) => type === "gateway.started" && data["id"] !== undefined);
  await make("third.example.test");
  await events.find(({ data }) => JSON.stringify(data).includes("third.example.test"));
  const issued = events.events.filter(({ type }) => type === "certificate.issued");
  expect(issued).toHaveLength(1);
});
