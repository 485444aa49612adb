import { describe, expect, it } from "vitest";
import type { MetricFamily } from "../../src/caddy-json/metric-family.ts";
import type { LogEntry } from "../../src/log.ts";
import { type Otlp, startOtlp } from "../../src/telemetry/otlp/otlp.ts";
import type { OtlpSettings } from "../../src/telemetry/otlp/settings.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp/receiver.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const protocols = ["grpc", "http/protobuf"] as const;

/** Exports to the receiver; closed by `await using`. */
async function exportingTo({ endpoint }: Pick<OtlpReceiver, "endpoint">, more: Partial<OtlpSettings> = {}) {
  const logger = recordingLogger();
  const otlp = await startOtlp({
    logger,
    version: "1.2.3",
    settings: {
      protocol: "grpc",
      endpoint: `http://${endpoint}`,
      headers: [],
      timeoutMs: 10_000,
      metricIntervalMs: 60_000,
      serviceName: "gatewright",
      instanceId: "edge-1",
      attributes: [["deployment.environment.name", "test"]],
      traces: { sampler: "parentbased_always_on", share: 1 },
      ...more,
    },
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) await otlp.close();
    isClosed = true;
  };
  return { ...otlp, logger, close, [Symbol.asyncDispose]: close };
}

const entry = (message: string, fields: LogEntry["fields"] = {}): LogEntry => ({
  time: "2026-01-02T03:04:05.678Z",
  level: "warn",
  subsystem: "caddy",
  message,
  fields,
});

const families = (count: number): readonly MetricFamily[] => [
  {
    name: "gatewright_things_total",
    help: "Things.",
    type: "counter",
    labels: ["ingress", "why"],
    samples: [{ l: ["shop", ""], v: count }],
  },
  {
    name: "gatewright_wait_seconds",
    help: "Waits.",
    type: "histogram",
    labels: [],
    bounds: [0.1, 1],
    samples: [{ l: [], c: [1, 3, 6], s: 9.5, n: 6 }],
  },
  { name: "gatewright_size_bytes", help: "Size.", type: "gauge", labels: [], samples: [{ l: [], v: -7 }] },
  { name: "gatewright_nothing_total", help: "Nothing.", type: "counter", labels: [], samples: [] },
];

describe.each(protocols)("OTLP by %s", (protocol) => {
  it("tells counters, gauges and histograms as the families have them", async () => {
    await using receiver = await startOtlpReceiver(protocol);
    await using otlp = await exportingTo(receiver, { protocol, headers: [["x-key", "abc"]] });
    otlp.readFrom(async () => families(3));
    await otlp.close();
    const before = Date.now();
    expect(receiver.headers).toMatchObject({ "x-key": "abc" });
    expect(receiver.metrics.map(({ startMs: _, timeMs: __, ...point }) => point)).toEqual([
      {
        resource: {
          "deployment.environment.name": "test",
          "service.name": "gatewright",
          "service.instance.id": "edge-1",
          "service.version": "1.2.3",
        },
        name: "gatewright_things",
        unit: "",
        kind: "sum",
        isMonotonic: true,
        attributes: { ingress: "shop" },
        value: 3,
      },
      expect.objectContaining({
        name: "gatewright_wait_seconds",
        unit: "s",
        kind: "histogram",
        value: 6,
        sum: 9.5,
        bounds: [0.1, 1],
        counts: [1, 2, 3],
      }),
      expect.objectContaining({ name: "gatewright_size_bytes", unit: "By", kind: "gauge", value: -7 }),
    ]);
    for (const { startMs, timeMs } of receiver.metrics)
      expect([startMs <= timeMs, timeMs <= before + 1, timeMs > before - 60_000]).toEqual([true, true, true]);
  });

  it("tells entries of the log with their level and fields, within the span that they belong to", async () => {
    await using receiver = await startOtlpReceiver(protocol);
    await using otlp = await exportingTo(receiver, { protocol });
    otlp.log(entry("slow", { names: ["a", "b"], error: { name: "Error", code: "E1" }, count: 2 }));
    const span = otlp.tracing.begin("work");
    span.run(() => otlp.log(entry("in it")));
    span.end();
    await otlp.close();
    const [alone, within] = receiver.logs;
    expect(alone).toEqual({
      resource: expect.objectContaining({ "service.name": "gatewright" }),
      severity: 13,
      level: "WARN",
      body: "slow",
      attributes: {
        subsystem: "caddy",
        names: ["a", "b"],
        error: { name: "Error", code: "E1" },
        count: 2,
      },
      traceId: "",
      spanId: "",
    });
    expect(within).toMatchObject({
      traceId: receiver.traces[0]?.traceId,
      spanId: receiver.traces[0]?.spanId,
    });
  });

  it("tells spans, as parts of the caller's trace and of each other", async () => {
    await using receiver = await startOtlpReceiver(protocol);
    await using otlp = await exportingTo(receiver, { protocol });
    const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
    const outer = otlp.tracing.begin("POST", {
      headers: { traceparent: `00-${traceId}-${spanId}-01` },
      attributes: { "http.request.method": "POST" },
    });
    await outer.run(async () => {
      await Promise.resolve();
      otlp.tracing.begin("inner").end("port_in_use");
    });
    outer.set({ "http.route": "/ingresses" }, "POST /ingresses");
    outer.end();
    await otlp.close();
    const [inner, whole] = receiver.traces;
    expect(whole).toMatchObject({
      name: "POST /ingresses",
      kind: 2,
      traceId,
      parentId: spanId,
      attributes: { "http.request.method": "POST", "http.route": "/ingresses" },
      status: 0,
    });
    expect(inner).toMatchObject({
      name: "inner",
      kind: 1,
      traceId,
      parentId: whole?.spanId,
      attributes: { "error.type": "port_in_use" },
      status: 2,
    });
  });

  it("says once that nothing takes it, and goes on when something does", async () => {
    await using receiver = await startOtlpReceiver(protocol);
    receiver.mood = "refuses";
    await using otlp = await exportingTo(receiver, { protocol, metricIntervalMs: 20 });
    otlp.readFrom(async () => families(1));
    otlp.log(entry("to nobody"));
    otlp.tracing.begin("for nobody").end();
    await until(() => receiver.exports > 5);
    const said = () => otlp.logger.entries.map(({ level, message }) => [level, message]);
    expect(said()).toEqual([
      ["warn", "telemetry is not taken by the OTLP receiver, and dropped until it is"],
    ]);
    receiver.mood = "takes";
    otlp.log(entry("and then"));
    await until(() => said().length === 2 && receiver.logs.some(({ body }) => body === "and then"));
    expect(said()[1]).toEqual(["info", "telemetry is exported again"]);
  });
});

it("a counter that begins again has another start", async () => {
  await using receiver = await startOtlpReceiver();
  await using otlp: Otlp & AsyncDisposable = await exportingTo(receiver, { metricIntervalMs: 10 });
  let count = 5;
  otlp.readFrom(async () => families(count));
  const starts = () =>
    new Set(
      receiver.metrics.filter(({ name }) => name === "gatewright_things").map(({ startMs }) => startMs),
    );
  const seen = (value: number) => () => receiver.metrics.some((point) => point.value === value);
  await until(seen(5));
  count = 8;
  await until(seen(8));
  expect(starts().size).toBe(1);
  count = 2;
  await until(seen(2));
  expect(starts().size).toBe(2);
});

it.each([
  [undefined, 0],
  [{ sampler: "parentbased_always_on", share: 0 }, 100],
  [{ sampler: "parentbased_always_off", share: 1 }, 0],
  [{ sampler: "parentbased_traceidratio", share: 0 }, 0],
  [{ sampler: "traceidratio", share: 1 }, 100],
  [{ sampler: "always_on", share: 0 }, 100],
  [{ sampler: "always_off", share: 1 }, 0],
] as const)("with the sampler %j there are %i of 100 spans", async (traces, alone) => {
  await using receiver = await startOtlpReceiver();
  await using otlp = await exportingTo(receiver, { traces });
  for (let index = 0; index < 100; index++) otlp.tracing.begin("alone").end();
  await otlp.close();
  expect(receiver.traces).toHaveLength(alone);
});

it.each([
  ["parentbased_always_off", "01", 1],
  ["parentbased_always_on", "00", 0],
  ["always_off", "01", 0],
  ["always_on", "00", 1],
])("with %s a caller whose trace has the flags %s gets %i spans", async (sampler, flags, count) => {
  await using receiver = await startOtlpReceiver();
  await using otlp = await exportingTo(receiver, { traces: { sampler, share: 1 } });
  const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`;
  otlp.tracing.begin("asked", { headers: { traceparent } }).end();
  await otlp.close();
  expect(receiver.traces).toHaveLength(count);
});

it("keeps no more than a queue's length of what comes faster than it is sent", async () => {
  await using receiver = await startOtlpReceiver();
  await using otlp = await exportingTo(receiver);
  for (let index = 0; index < 10_000; index++) {
    otlp.log(entry("one of many"));
    otlp.tracing.begin("one of many").end();
  }
  await otlp.close();
  // The queue's 2,048, and the 512 that are being sent.
  for (const kept of [receiver.logs.length, receiver.traces.length]) {
    expect(kept).toBeGreaterThan(2_047);
    expect(kept).toBeLessThan(2_561);
  }
});

it("a receiver that hangs, or is not there, holds no stop up", async () => {
  await using receiver = await startOtlpReceiver();
  receiver.mood = "hangs";
  // An export would go on for longer than the test may take.
  const patient = { timeoutMs: 600_000, metricIntervalMs: 600_000 };
  await using hanging = await exportingTo(receiver, patient);
  hanging.log(entry("to nobody"));
  hanging.readFrom(async () => families(1));
  await using absent = await exportingTo({ endpoint: "127.0.0.1:1" }, patient);
  absent.log(entry("to nobody"));
  expect(await Promise.all([hanging.close(), absent.close()])).toHaveLength(2);
});
