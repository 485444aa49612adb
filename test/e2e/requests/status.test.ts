import { beforeAll, describe, expect, it } from "vitest";
import type { Condition, IngressStatus } from "../../../src/model/api.ts";
import { type Answer, call, rule } from "../../support/api.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright();

beforeAll(async () => {
  await gatewright.put("web-1", "127.0.0.9", { service: "web" });
});

const statusOf = (name: string): Promise<Answer<IngressStatus>> =>
  call<IngressStatus>(`${gatewright.url}/ingresses/${name}/status`);

const conditionOf = async (name: string, type: string): Promise<Condition | undefined> =>
  (await statusOf(name)).body.conditions.find((condition) => condition.type === type);

describe("the status of an ingress", () => {
  it("has conditions, and each rule's targets with their addresses", async () => {
    await gatewright.make("shop", rule("shop.example.com", "web-1", 8080));
    const { status, body } = await statusOf("shop");
    expect(status).toBe(200);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(body.conditions).toMatchObject([
      { type: "Accepted", status: "True", reason: "Accepted", last_transition_time: time },
      { type: "Programmed", status: "True", reason: "Programmed", last_transition_time: time },
      { type: "TargetsResolved", status: "True", reason: "Resolved", last_transition_time: time },
    ]);
    expect(body.rules).toEqual([
      {
        hostname: "shop.example.com",
        port: gatewright.ports.http,
        targets: [
          {
            target: { instance: "web-1", port: 8080 },
            resolved: true,
            mode: "active",
            addresses: [{ address: "127.0.0.9:8080", health: "unchecked" }],
          },
        ],
      },
    ]);
  });

  it("says why a target has no address, and when that changed", async () => {
    await gatewright.put("sleepy", "127.0.0.10");
    await gatewright.make("sleep", rule("sleep.example.com", "sleepy", 80));
    const before = await conditionOf("sleep", "TargetsResolved");
    expect(before?.status).toBe("True");
    await gatewright.put("sleepy", "127.0.0.10", { state: "Stopped" });
    const stopped = await conditionOf("sleep", "TargetsResolved");
    expect(stopped).toMatchObject({ status: "False", reason: "NoAddress" });
    expect(stopped?.message).toBe(
      "Rule 0 (sleep.example.com): no target has an address (sleepy: the instance is Stopped).",
    );
    expect(Date.parse(stopped?.last_transition_time ?? "")).toBeGreaterThan(
      Date.parse(before?.last_transition_time ?? ""),
    );
    expect(await conditionOf("sleep", "TargetsResolved")).toEqual(stopped);
  });

  it("tells services, addresses, captures and modes apart", async () => {
    await gatewright.make(
      "mixed",
      {
        match: { hostname: "mixed.example.com" },
        targets: [
          { service: "web", port: 80 },
          { service: "none", port: 80 },
          { address: "127.0.0.11", port: 80, mode: "drain" },
        ],
      },
      rule("{x}.mixed.example.com", "{x}", 80),
    );
    await call(`${gatewright.url}/instances/web-1/traffic`, { method: "PUT", body: { mode: "pause" } });
    const { body } = await statusOf("mixed");
    expect(body.rules.map(({ targets }) => targets)).toMatchObject([
      [
        { resolved: true, mode: "active", addresses: [{ address: "127.0.0.9:80" }] },
        { resolved: false, reason: "there is no such service", addresses: [] },
        { resolved: true, mode: "drain", addresses: [{ address: "127.0.0.11:80" }] },
      ],
      [{ resolved: false, reason: "known when a request comes" }],
    ]);
    expect((await conditionOf("shop", "TargetsResolved"))?.reason).toBe("Paused");
    await call(`${gatewright.url}/instances/web-1/traffic`, { method: "PUT", body: { mode: "active" } });
    expect((await conditionOf("shop", "TargetsResolved"))?.reason).toBe("Resolved");
  });

  it("is found as the ingress is, and nowhere else", async () => {
    expect((await statusOf("nothing")).status).toBe(404);
    const posted = await call(`${gatewright.url}/ingresses/shop/status`, { method: "POST", body: {} });
    expect(posted.status).toBe(405);
  });
});
