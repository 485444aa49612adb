import { once } from "node:events";
import { beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Policies } from "../../../src/model/api.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { type SteadyClients, startClients } from "../../support/steady-clients.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const [plain, secure] = ["plain.test", "secure.test"];
const changes = 50;

const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);
const backend = use(() => startBackend());

const state = async () =>
  (await askCaddy<{ generation: number; rows: number }>(gatewright.ports.admin, "/gatewright/state")).body;
const policySets = async (): Promise<number> => {
  const { body } = await askCaddy<{ policy_sets: object }>(gatewright.ports.admin, "/gatewright/policy_sets");
  return Object.keys(body.policy_sets).length;
};
const rules = (policies: Policies) => [
  { ...rule(plain, "web-1", backend.port), policies },
  { ...rule(secure, "web-1", backend.port, { port: gatewright.ports.https }), tls: true, policies },
];

beforeAll(async () => {
  await gatewright.make("steady", ...rules({}));
  // Its certificate is issued meanwhile, and what a new configuration brings has come.
  await until(async () => {
    const clients = startClients(gatewright.ports.https, secure, [1], true);
    await until(() => clients.requests() > 3);
    return (await clients.stop()).failures.length === 0;
  });
});

it("50 changes of policies under load fail no request, and load no configuration", async () => {
  const before = await state();
  const clients: readonly SteadyClients[] = [
    startClients(gatewright.ports.http, plain, [0, 1, 5]),
    startClients(gatewright.ports.https, secure, [0, 1, 5], true),
  ];
  const socket = new WebSocket(`ws://127.0.0.1:${gatewright.ports.http}/`, { headers: { host: plain } });
  await once(socket, "open");
  for (let change = 0; change < changes; change += 1) {
    const policies = { headers: { response: { set: { "X-Round": String(change) } } } };
    const body = { name: "steady", rules: rules(policies) };
    const answer = await call(`${gatewright.url}/ingresses/steady`, { method: "PUT", body });
    expect(answer.status, answer.text).toBe(200);
    // Served when it is answered.
    const { headers } = await gatewright.visit(plain);
    expect(headers["x-round"]).toBe(String(change));
    const asked = clients.map((one) => one.requests());
    await until(() => clients.every((one, index) => one.requests() > (asked[index] ?? 0) + 10));
  }
  socket.send("still here");
  const [message] = (await once(socket, "message")) as [Buffer];
  expect(message.toString()).toBe("still here");
  socket.terminate();
  for (const { failures, requests } of await Promise.all(clients.map((one) => one.stop()))) {
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(10 * changes);
  }
  expect(await state()).toMatchObject({ generation: before.generation, rows: before.rows });
  expect(await policySets()).toBe(1);
}, 120_000);
