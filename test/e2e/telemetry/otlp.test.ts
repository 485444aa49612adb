import { describe, expect, it } from "vitest";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { startOtlpReceiver } from "../../support/otlp/receiver.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

describe("a Gatewright that exports", () => {
  const receiver = use(() => startOtlpReceiver());
  const backend = use(() => startBackend());
  const gatewright = useGatewright(
    () => ({
      OTEL_ENABLED: "true",
      OTEL_ENDPOINT: receiver.endpoint,
      OTEL_SERVICE_INSTANCE_ID: "edge-1",
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=a%2Cb",
      OTEL_METRIC_EXPORT_INTERVAL: "200",
      LOG_LEVEL_API: "debug",
    }),
    ["web-1"],
  );

  it("tells its metrics, as /metrics has them, and Caddy's", async () => {
    const named = () => new Set(receiver.metrics.map(({ name }) => name));
    await until(() => named().has("gatewright_ingresses") && named().has("gatewright_caddy_scrape_up"));
    await gatewright.make("asked", rule("asked.test", "web-1", backend.port));
    await gatewright.visit("asked.test");
    const answered = () =>
      receiver.metrics.find(
        ({ attributes, name, value }) =>
          name === "http.server.request.duration" && attributes["ingress"] === "asked" && value === 1,
      );
    await until(() => answered() !== undefined);
    expect(answered()).toMatchObject({ kind: "histogram", unit: "s" });
    expect(receiver.metrics[0]?.resource).toMatchObject({
      "service.name": "gatewright",
      "service.instance.id": "edge-1",
    });
    expect(receiver.headers).toMatchObject({ "x-tenant": "a,b" });
  });

  it("tells of a change as one trace of the caller's: the request, the change and its steps, and what was logged", async () => {
    const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    const name = "traced-by-nobody";
    const created = await call(`${gatewright.url}/ingresses`, {
      headers: { traceparent: `00-${traceId}-${spanId}-01` },
      body: { name, rules: [rule("traced.test", "web-1", backend.port)] },
    });
    expect(created.status).toBe(201);
    const spans = () =>
      receiver.traces.filter((span) => span.traceId === traceId && span.scope === "gatewright");
    const named = (wanted: string) => spans().find((span) => span.name === wanted);
    await until(() => named("POST /ingresses") !== undefined && named("apply commit") !== undefined);
    const request = named("POST /ingresses");
    expect(request).toMatchObject({
      kind: 2,
      parentId: spanId,
      attributes: {
        "http.request.method": "POST",
        "http.route": "/ingresses",
        "http.response.status_code": 201,
      },
      status: 0,
    });
    for (const step of ["change", "stage", "render", "apply", "persist", "commit"])
      expect(named(`apply ${step}`)?.parentId, step).toBe(
        step === "render" ? named("apply apply")?.spanId : request?.spanId,
      );
    await until(() => receiver.logs.some((one) => one.traceId === traceId && one.body === "request"));
    // Neither names nor hosts are in spans.
    expect(JSON.stringify(spans())).not.toMatch(/traced-by-nobody|traced\.test/);
  });

  it("tells a change that fails as a failed span", async () => {
    await using other = await startBackend();
    await gatewright.create("taken", rule("taken.test", "web-1", 80, { port: other.port }));
    await until(() =>
      receiver.traces.some(
        ({ attributes, name, status }) =>
          name === "apply change" && status === 2 && attributes["error.type"] === "port_in_use",
      ),
    );
  });

  it("tells what Caddy logs, with its fields", async () => {
    await gatewright.make("away", rule("away.test", "web-1", await freePort()));
    await gatewright.visit("away.test");
    const told = () => receiver.logs.find(({ attributes }) => attributes["ingress"] === "away");
    await until(() => told() !== undefined);
    expect(told()).toMatchObject({
      level: expect.stringMatching(/WARN|ERROR/),
      attributes: { subsystem: "caddy", caddy_logger: expect.any(String) },
    });
  });

  it("makes no span of probes", async () => {
    await call(`${gatewright.url}/health`);
    await call(`${gatewright.url}/status`);
    await until(() => receiver.traces.some(({ name }) => name === "GET /status"));
    expect(receiver.traces.filter(({ name }) => /health|ready/.test(name))).toEqual([]);
  });
});

it("a Gatewright whose receiver is away serves, says so once, and stops", async () => {
  await using gatewright = await startGatewright({
    OTEL_ENABLED: "true",
    OTEL_ENDPOINT: `127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_EXPORTER_OTLP_TIMEOUT: "300",
    OTEL_METRIC_EXPORT_INTERVAL: "300",
  });
  const said = () => gatewright.output().split("not taken by the OTLP receiver").length - 1;
  await until(() => said() === 1);
  expect((await call(`${gatewright.url}/ready`)).status).toBe(200);
  await gatewright.stop();
  expect(said()).toBe(1);
});

it("a file of roots that cannot be read stops the start, named", async () => {
  const started = startGatewright({
    OTEL_ENABLED: "true",
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere/ca.pem",
  });
  await expect(started).rejects.toThrow(/config_invalid: OTEL_EXPORTER_OTLP_CERTIFICATE cannot be read/);
});
