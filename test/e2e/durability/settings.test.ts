import { expect, it } from "vitest";
import { askCaddy, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startClients } from "../../support/steady-clients.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend());
const gatewright = useGatewright({}, ["web-1"]);

const host = "steady.example.com";
const policySets = async (): Promise<string> =>
  (await askCaddy(gatewright.ports.admin, "/gatewright/policy_sets")).text;

it("D13: a restart with another setting that policies depend on fails no request", async () => {
  await gatewright.make("steady", rule(host, "web-1", backend.port));
  // Their rows make the moment between the configuration and the table a long one.
  const paths = Array.from({ length: 2_000 }, (_, index) => ({ type: "exact" as const, value: `/${index}` }));
  await gatewright.make("many", ...paths.map((path) => rule("many.example.com", "web-1", 80, { path })));
  const clients = startClients(gatewright.ports.http, host, [0, 1, 5]);
  for (const timeout of ["9s", "8s", "7s"]) {
    await gatewright.stop();
    await gatewright.start({ environment: { UPSTREAM_CONNECT_TIMEOUT: timeout } });
    expect(await policySets()).toContain(`"${timeout}"`);
  }
  const { failures, requests } = await clients.stop();
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(300);
}, 90_000);
