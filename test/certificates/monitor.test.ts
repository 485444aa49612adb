import { afterEach, describe, expect, it } from "vitest";
import type { CaddyCertificate } from "../../src/caddy/caddy-api.ts";
import { certificateCondition } from "../../src/certificates/condition.ts";
import { CertificateMonitor } from "../../src/certificates/monitor.ts";
import { CertificateReport } from "../../src/certificates/report.ts";
import type { ManagedName } from "../../src/compiler/tls-needs.ts";
import type { Ingress } from "../../src/model/api.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const day = 24 * 60 * 60 * 1000;
const need = (subject: string): ManagedName => ({
  kind: "managed",
  subject,
  issuer: "acme",
  onDemand: false,
});
const at = (days: number): string => new Date(Date.now() + days * day).toISOString();
const served = (name: string, from: number, to: number): CaddyCertificate => ({
  name,
  served: { issuer: "CN=Test", serial: "1f", names: [name], not_before: at(from), not_after: at(to) },
});
const refused = (name: string, error: string): CaddyCertificate => ({
  name,
  attempt: { since: at(0), failures: 2, renewal: false, error, failed_at: at(0) },
});

/** A Caddy that answers what it is told to; the real one answers in test/e2e/tls/*.test.ts. */
function setUp(names: readonly string[]) {
  const answers = new Map<string, CaddyCertificate>();
  const asked: (readonly string[])[] = [];
  const logger = recordingLogger();
  const state = {
    names: names.map(need),
    generation: 1,
    isDown: false,
    refusals: 0,
    stored: new Map<string, CaddyCertificate["served"]>(),
  };
  const monitor = new CertificateMonitor({
    api: {
      certificates: async (wanted) => {
        if (state.isDown) {
          state.refusals += 1;
          throw new Error("down");
        }
        asked.push(wanted);
        return wanted.map((name) => answers.get(name) ?? { name });
      },
    },
    names: () => ({ generation: state.generation, names: () => state.names }),
    stored: async (name) => state.stored.get(name),
    logger,
    expiryWarningMs: 10 * day,
    pollMs: 5,
    fullPollMs: 60_000,
  });
  const report = new CertificateReport({
    monitor,
    imported: { list: () => [], find: () => undefined },
    usesOf: () => 1,
  });
  return { answers, asked, logger, monitor, report, state };
}

let running: CertificateMonitor | undefined;
afterEach(() => running?.stop());

describe("the monitor", () => {
  it("asks Caddy for one name only when one certificate is looked at", async () => {
    const { answers, asked, report } = setUp(["a.test", "b.test", "c.test"]);
    answers.set("b.test", served("b.test", -1, 60));
    expect(await report.find("B.test")).toMatchObject({ id: "b.test", state: "ready" });
    expect(await report.find("nobody.test")).toBeUndefined();
    expect(asked).toEqual([["b.test"]]);
  });

  it("tells pending, ready, failed and expired apart", async () => {
    const { answers, report } = setUp(["failed.test", "old.test", "pending.test", "ready.test"]);
    answers.set("ready.test", served("ready.test", -10, 80));
    answers.set("old.test", served("old.test", -90, -1));
    answers.set("failed.test", refused("failed.test", "HTTP 429 rateLimited"));
    const listed = await report.list();
    expect(listed.map(({ id, state }) => [id, state])).toEqual([
      ["failed.test", "failed"],
      ["old.test", "expired"],
      ["pending.test", "pending"],
      ["ready.test", "ready"],
    ]);
    expect(report.counts()).toEqual({ ready: 1, pending: 1, failed: 1, expired: 1, idle: 0, expiring: 1 });
    expect(report.problems().join("\n")).toMatch(
      /failed.test: the authority limits its rate.*\n.*old.test ended/,
    );
  });

  it("warns once as an end nears, in the log, the problems and the metrics", async () => {
    const { answers, logger, monitor, report } = setUp(["soon.test", "late.test"]);
    answers.set("soon.test", served("soon.test", -85, 5));
    answers.set("late.test", served("late.test", -10, 80));
    for (let time = 0; time < 3; time += 1) await monitor.refresh();
    const warnings = logger.entries.filter(({ message }) => message === "a certificate ends soon");
    expect(warnings).toHaveLength(1);
    expect(report.problems()).toEqual([expect.stringContaining("certificate soon.test ends")]);
    const metrics = createMetrics({
      version: "1",
      ingresses: () => 3,
      certificates: (most) => report.overview(most),
    });
    const text = await metrics.text();
    expect(text).toContain("gatewright_certificates_expiring 1");
    expect(text).toContain('gatewright_certificates{state="ready"} 2');
    expect(text).toMatch(
      /gatewright_certificate_not_after_timestamp_seconds\{name="soon.test",source="acme"\} \d+/,
    );
    expect(text).toContain("gatewright_ingresses 3");
  });

  it("does not take a short life for an end", async () => {
    const { answers, logger, report } = setUp(["short.test"]);
    answers.set("short.test", served("short.test", -1, 5));
    const [certificate] = await report.list();
    expect(certificate?.expires_soon).toBe(false);
    expect(logger.entries.map(({ message }) => message)).toEqual(["a certificate is served"]);
  });

  it("asks often for what is wanting only, and sees it come", async () => {
    const { answers, asked, monitor } = setUp(["ready.test", "pending.test"]);
    running = monitor;
    answers.set("ready.test", served("ready.test", -1, 80));
    await monitor.refresh();
    monitor.start();
    const before = asked.length;
    await until(() => asked.length > before + 1);
    expect(asked.slice(before + 1).flat()).not.toContain("ready.test");
    answers.set("pending.test", served("pending.test", 0, 90));
    await until(() => monitor.of("pending.test")?.state === "ready");
  });

  it("goes on asking when Caddy was down", async () => {
    const { answers, logger, monitor, state } = setUp(["a.test"]);
    running = monitor;
    state.isDown = true;
    monitor.start();
    await until(() => state.refusals > 2);
    answers.set("a.test", served("a.test", 0, 90));
    state.isDown = false;
    await until(() => monitor.of("a.test")?.state === "ready");
    expect(logger.entries.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("E12: tells a try that is under way from the failure before it", async () => {
    const { answers, report } = setUp(["a.test"]);
    const down = refused("a.test", "dial tcp 127.0.0.1:9: connect: connection refused");
    answers.set("a.test", down);
    expect(await report.find("a.test")).toMatchObject({ state: "failed" });
    answers.set("a.test", {
      name: "a.test",
      attempt: { since: at(0), failures: 2, renewal: false, ...down.attempt, trying_since: at(0) },
    });
    expect(await report.find("a.test")).toMatchObject({
      state: "pending",
      error: { failures: 2, message: expect.stringContaining("gatewright doctor") },
    });
    expect(report.problems()).toEqual([
      expect.stringMatching(/a.test is tried again; the last order failed/),
    ]);
    answers.set("a.test", refused("a.test", "order took too long"));
    expect((await report.find("a.test"))?.error?.message).toContain("authority's own log");
  });

  it("E10: alarms nobody for a name on demand that nobody asks for, though its certificate has ended", async () => {
    const { answers, asked, logger, monitor, report, state } = setUp([]);
    state.names = ["idle.test", "never.test", "refused.test"].map((name) => ({
      ...need(name),
      onDemand: true,
    }));
    answers.set("idle.test", served("idle.test", -90, -1));
    answers.set("refused.test", { ...served("refused.test", -90, -1), ...refused("refused.test", "no") });
    const listed = await report.list();
    expect(listed.map(({ id, state: known, expires_soon }) => [id, known, expires_soon])).toEqual([
      ["idle.test", "idle", false],
      ["never.test", "idle", undefined],
      ["refused.test", "expired", true],
    ]);
    expect(report.counts()).toEqual({ ready: 0, pending: 0, failed: 0, expired: 1, idle: 2, expiring: 1 });
    expect(report.problems()).toEqual([expect.stringContaining("refused.test")]);
    expect(logger.entries.filter(({ message }) => message === "a certificate ends soon")).toHaveLength(1);
    // They cost no question each second.
    running = monitor;
    const before = asked.length;
    monitor.start();
    await until(() => asked.length > before + 2);
    expect(new Set(asked.slice(before + 1).flat())).toEqual(new Set(["refused.test"]));
  });

  it("E10: tells of a certificate on disk that Caddy has not loaded", async () => {
    const { report, state } = setUp([]);
    state.names = [{ ...need("disk.test"), onDemand: true }];
    state.stored.set("disk.test", served("disk.test", -1, 60).served);
    expect(await report.find("disk.test")).toMatchObject({ state: "ready", serial: "1f" });
  });

  it("follows names that come and go, and keeps what it knew while Caddy is down", async () => {
    const { answers, monitor, state } = setUp(["a.test"]);
    answers.set("a.test", served("a.test", -1, 80));
    await monitor.refresh();
    state.isDown = true;
    state.names = [need("a.test"), need("b.test")];
    state.generation += 1;
    await monitor.refresh();
    expect(monitor.list().map(({ need: { subject }, state: known }) => [subject, known])).toEqual([
      ["a.test", "ready"],
      ["b.test", "pending"],
    ]);
    state.names = [need("b.test")];
    state.generation += 1;
    expect(monitor.of("a.test")).toBeUndefined();
  });
});

describe("the condition CertificateReady", () => {
  const ingress = (...hostnames: string[]): Ingress => ({
    id: "a",
    name: "a",
    created_at: at(0),
    updated_at: at(0),
    rules: hostnames.map((hostname) => ({
      match: { hostname, port: 443 },
      target: { instance: "web-1", port: 80 },
      tls: hostname !== "plain.test",
      redirect_http: false,
    })),
  });

  it("is the worst of the rules', and absent without TLS", async () => {
    const { answers, monitor } = setUp(["ready.test", "failed.test"]);
    answers.set("ready.test", served("ready.test", -1, 80));
    answers.set("failed.test", refused("failed.test", "no"));
    await monitor.refresh();
    const settings = {
      acmeConfigured: true,
      dnsChallenge: false,
      allowedDomains: ["ready.test", "failed.test"],
    };
    const condition = certificateCondition({ settings, monitor, imported: { find: () => undefined } });
    expect(condition(ingress("plain.test"))).toBeUndefined();
    expect(condition(ingress("ready.test", "plain.test"))).toMatchObject({ status: "True", reason: "Ready" });
    expect(condition(ingress("ready.test", "failed.test"))).toMatchObject({
      status: "False",
      reason: "Failed",
      message: "failed.test: no",
    });
    expect(condition(ingress("foreign.test"))).toMatchObject({ status: "False", reason: "NotAllowed" });
  });
});
