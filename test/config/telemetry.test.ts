import { describe, expect, test } from "vitest";
import { load, problemsOf, type Variables } from "./load.ts";

describe("the access log", () => {
  test("is off, in Caddy's folder, and bounded", () => {
    expect(load({}).accessLog).toEqual({
      mode: "off",
      sample: 1,
      client: "full",
      query: false,
      stdout: false,
      rollSizeMb: 100,
      rollKeep: 9,
      rollKeepDays: 30,
    });
  });

  test("is as its settings say", () => {
    expect(
      load({
        ACCESS_LOG: "all",
        ACCESS_LOG_SAMPLE: "0.1",
        ACCESS_LOG_CLIENT: "masked",
        ACCESS_LOG_QUERY: "true",
        ACCESS_LOG_OUTPUT: "stdout",
        ACCESS_LOG_FILE: "/var/log/a.log",
        ACCESS_LOG_ROLL_SIZE_MB: "1",
        ACCESS_LOG_ROLL_KEEP: "2",
        ACCESS_LOG_ROLL_KEEP_DAYS: "3",
      }).accessLog,
    ).toEqual({
      mode: "all",
      sample: 0.1,
      client: "masked",
      query: true,
      stdout: true,
      file: "/var/log/a.log",
      rollSizeMb: 1,
      rollKeep: 2,
      rollKeepDays: 3,
    });
  });

  test.each(["-0.1", "1.01", "ten", "1/10", ""])("has no sample %j", (text) => {
    const fields = problemsOf({ ACCESS_LOG_SAMPLE: text }).map(([field]) => field);
    expect(fields).toEqual(text === "" ? [] : ["ACCESS_LOG_SAMPLE"]);
  });
});

describe("OTLP", () => {
  const otlp = (environment: Variables) => load({ OTEL_ENABLED: "true", ...environment }).telemetry.otlp;

  test("is off, whatever else is set", () => {
    expect(load({ OTEL_ENDPOINT: "10.0.0.1:4317" }).telemetry).toEqual({
      named: { ingresses: 1_000, histograms: 100 },
    });
  });

  test("goes to the collector of the machine by gRPC, as hypeman's", () => {
    expect(otlp({ OTEL_SERVICE_INSTANCE_ID: "edge-1" })).toEqual({
      protocol: "grpc",
      endpoint: "http://127.0.0.1:4317",
      headers: [],
      timeoutMs: 10_000,
      metricIntervalMs: 60_000,
      serviceName: "gatewright",
      instanceId: "edge-1",
      attributes: [],
      traces: { sampler: "parentbased_always_on", share: 1, trustParents: false },
    });
  });

  test("has traces as OpenTelemetry's variables say", () => {
    expect(
      otlp({
        OTEL_TRACES_SAMPLER: "traceidratio",
        OTEL_TRACES_SAMPLER_ARG: ".25",
        TRUST_TRACEPARENT: "true",
      })?.traces,
    ).toEqual({ sampler: "traceidratio", share: 0.25, trustParents: true });
    expect(otlp({ OTEL_TRACES_EXPORTER: "none" })).not.toHaveProperty("traces");
    expect(
      problemsOf({
        OTEL_TRACES_SAMPLER: "some",
        OTEL_TRACES_SAMPLER_ARG: "1.5",
        OTEL_TRACES_EXPORTER: "paper",
      }).map(([field]) => field),
    ).toEqual(["OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]);
  });

  test.each<[Variables, string]>([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, "http://127.0.0.1:4318"],
    [{ OTEL_ENDPOINT: "collector" }, "http://collector:4317"],
    [{ OTEL_ENDPOINT: "collector:1", OTEL_INSECURE: "false" }, "https://collector:1"],
    [{ OTEL_ENDPOINT: "::1" }, "http://[::1]:4317"],
    [{ OTEL_ENDPOINT: "[::1]:99" }, "http://[::1]:99"],
    [{ OTEL_ENDPOINT: "http://collector:1/otlp/", OTEL_INSECURE: "false" }, "http://collector:1/otlp"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector" }, "https://collector"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://other", OTEL_ENDPOINT: "mine" }, "http://mine:4317"],
    [{ OTEL__ENDPOINT: "of-hypeman" }, "http://of-hypeman:4317"],
  ])("with %j goes to %s", (environment, endpoint) => {
    expect(otlp(environment)?.endpoint).toBe(endpoint);
  });

  test("takes headers and attributes with escapes, and shows no value of a header", () => {
    const config = load({
      OTEL_ENABLED: "true",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20hidden-1, x-team=hidden%2C2",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=production,rack=4%3D",
      GATEWAY_NAME: "edge-2",
    });
    expect(config.telemetry.otlp).toMatchObject({
      instanceId: "edge-2",
      attributes: [
        ["deployment.environment.name", "production"],
        ["rack", "4="],
      ],
    });
    expect(config.telemetry.otlp?.headers.map(([name, value]) => [name, value.reveal()])).toEqual([
      ["authorization", "Bearer hidden-1"],
      ["x-team", "hidden,2"],
    ]);
    expect(JSON.stringify(config)).not.toContain("hidden");
    expect(config.secrets.map((secret) => secret.reveal())).toContain("hidden,2");
  });

  test("refuses headers that are none, without showing them", () => {
    const problems = problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: "x-key=1,hidden" });
    expect(problems.map(([field]) => field)).toEqual(["OTEL_EXPORTER_OTLP_HEADERS"]);
    expect(JSON.stringify(problems)).not.toContain("hidden");
  });
});
