import { describe, expect, it } from "vitest";
import { startOtlp } from "../../src/telemetry/otlp/otlp.ts";
import { builtCollector, startCollector } from "../support/otlp/collector.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const program = await builtCollector();

describe.skipIf(program === undefined)("OpenTelemetry's Collector", () => {
  it.each(["grpc", "http/protobuf"] as const)("understands what is exported by %s", async (protocol) => {
    await using collector = await startCollector(program ?? "");
    const logger = recordingLogger();
    const otlp = await startOtlp({
      logger,
      version: "1.2.3",
      settings: {
        protocol,
        endpoint: `http://${collector.endpoints[protocol]}`,
        headers: [],
        timeoutMs: 10_000,
        metricIntervalMs: 60_000,
        serviceName: "gatewright",
        instanceId: "edge-1",
        attributes: [],
        traces: { sampler: "parentbased_always_on", share: 1 },
      },
    });
    otlp.readFrom(async () => [
      {
        name: "gatewright_request_duration_seconds",
        help: "Time.",
        type: "histogram",
        labels: ["ingress"],
        bounds: [0.1, 1],
        samples: [{ l: ["shop"], c: [1, 3, 6], s: 9.5, n: 6 }],
      },
      {
        name: "gatewright_requests_total",
        help: "Requests.",
        type: "counter",
        labels: ["ingress", "status"],
        samples: [{ l: ["shop", "200"], v: 42 }],
      },
    ]);
    const span = otlp.tracing.begin("work");
    span.run(() =>
      otlp.log({
        time: "2026-01-02T03:04:05.678Z",
        level: "error",
        subsystem: "store",
        message: "full",
        fields: { nested: { deep: [1, "two"] } },
      }),
    );
    span.end("failed");
    await otlp.close();
    const { metrics, logs, traces } = collector.told;
    await until(() => metrics.length > 0 && logs.length > 0 && traces.length > 0);
    expect(logger.entries).toEqual([]);
    expect(metrics[0]).toMatchObject({
      resourceMetrics: [
        {
          resource: {
            attributes: expect.arrayContaining([
              { key: "service.instance.id", value: { stringValue: "edge-1" } },
            ]),
          },
          scopeMetrics: [
            {
              scope: { name: "gatewright", version: "1.2.3" },
              metrics: [
                {
                  name: "http.server.request.duration",
                  unit: "s",
                  histogram: {
                    aggregationTemporality: 2,
                    dataPoints: [
                      {
                        attributes: [{ key: "ingress", value: { stringValue: "shop" } }],
                        count: "6",
                        sum: 9.5,
                        bucketCounts: ["1", "2", "3"],
                        explicitBounds: [0.1, 1],
                      },
                    ],
                  },
                },
                {
                  name: "gatewright_requests",
                  sum: {
                    isMonotonic: true,
                    dataPoints: [
                      {
                        asDouble: 42,
                        attributes: expect.arrayContaining([
                          { key: "http.response.status_code", value: { intValue: "200" } },
                        ]),
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
    expect(traces[0]).toMatchObject({
      resourceSpans: [{ scopeSpans: [{ spans: [{ name: "work", kind: 1, status: { code: 2 } }] }] }],
    });
    expect(logs[0]).toMatchObject({
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: [
                {
                  severityNumber: 17,
                  severityText: "ERROR",
                  body: { stringValue: "full" },
                  traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
                },
              ],
            },
          ],
        },
      ],
    });
  });
});
