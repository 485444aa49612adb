import { expect, it } from "vitest";
import type { IngressTraffic } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";

const site = usePolicySite();
const { backend, gatewright } = site;
const traffic = (ingress: string) => call<IngressTraffic>(`${gatewright.url}/ingresses/${ingress}/traffic`);

it("tells of an ingress what it was asked, how it answered, and how its target did", async () => {
  await site.serve("shop", { access: { deny: ["127.0.0.7"] } });
  for (let index = 0; index < 5; index++) await site.visit("shop", "/a?b=c");
  await site.visit("shop", "/", { from: "127.0.0.7" });
  const whole = async () => (await traffic("shop")).body.windows.every(({ requests }) => requests === 6);
  await until(whole);
  const { body } = await traffic("shop");
  expect(body.name).toBe("shop");
  expect(body.windows.map(({ seconds }) => seconds)).toEqual([60, 300, 900]);
  for (const window of body.windows) {
    expect(window).toMatchObject({
      statuses: { 200: 5, 403: 1 },
      received_bytes: 0,
      targets: [{ target: "web", address: `${backend.address}:${backend.port}`, requests: 5, failures: 0 }],
    });
    expect(window.rate).toBeGreaterThan(0);
    expect(window.sent_bytes).toBeGreaterThan(0);
    expect([window.p50, window.p95, window.p99].every((seconds) => Number(seconds) > 0)).toBe(true);
  }
  expect(JSON.stringify(body)).not.toMatch(/b=c|127\.0\.0\.7/);
});

it("tells the failures of a target, and nothing of an ingress that nobody asked", async () => {
  await site.servePort("away", await freePort(), { policies: { load_balancing: { retries: 0 } } });
  await site.visit("away");
  await until(async () => (await traffic("away")).body.windows[0]?.requests === 1);
  expect((await traffic("away")).body.windows[0]).toMatchObject({
    statuses: { 502: 1 },
    targets: [{ requests: 1, failures: 1 }],
  });
  await site.serve("quiet", {});
  expect((await traffic("quiet")).body.windows).toEqual(
    [60, 300, 900].map((seconds) => ({
      seconds,
      requests: 0,
      rate: 0,
      statuses: {},
      received_bytes: 0,
      sent_bytes: 0,
      targets: [],
    })),
  );
});
