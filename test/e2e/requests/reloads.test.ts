import { beforeAll, expect, it } from "vitest";
import { call, createIngress, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startClients } from "../../support/steady-clients.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const host = "steady.example.com";
const changes = 40;

const backend = use(() => startBackend());
const gatewright = useGatewright({}, ["web-1"]);

beforeAll(async () => {
  await gatewright.make("steady", rule(host, "web-1", backend.port));
});

/** Opens a port, and a policy set that nothing else has; then both go. Each way is a reload of Caddy. */
async function change(number: number): Promise<void> {
  const policies = { policies: { headers: { response: { set: { "X-Round": String(number) } } } } };
  const name = `round-${number}`;
  const { status, text } = await createIngress({
    url: gatewright.url,
    name,
    rules: [rule(`${name}.example.com`, "web-1", backend.port, { port: await freePort() }, policies)],
  });
  expect(status, text).toBe(201);
  // Half of them end before the next begins; the others are tidied away together.
  if (number % 2 === 0) return;
  for (const one of [number - 1, number]) {
    const gone = await call(`${gatewright.url}/ingresses/round-${one}`, { method: "DELETE" });
    expect(gone.status, gone.text).toBe(204);
  }
}

it("no request is lost while ports and policy sets come and go", async () => {
  const clients = startClients(gatewright.ports.http, host, [1, 1, 5, 50]);
  for (let number = 0; number < changes; number++) {
    await change(number);
    // Requests meet each configuration, not only the moments between two.
    const before = clients.requests();
    if (number % 2 === 1) await until(() => clients.requests() >= before + 100);
  }
  const { failures, requests } = await clients.stop();
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(1_000);
}, 90_000);
