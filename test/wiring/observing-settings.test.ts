import { expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { compilerSettings, secretFiles } from "../../src/wiring/compiler-settings.ts";

const load = (environment: NodeJS.ProcessEnv) =>
  loadConfig({ DATA_DIR: "/data", ...environment }, { envFile: "/nowhere/.env" });

test("the access log is a file that is rotated at its size", () => {
  expect(compilerSettings(load({ ACCESS_LOG: "errors" })).accessLog).toEqual({
    log: "errors",
    sample: 1,
    client: "full",
    writer: {
      output: "file",
      filename: "/data/caddy/access.log",
      mode: "0600",
      roll_size_mb: 100,
      roll_keep: 9,
      roll_keep_days: 30,
      roll_gzip: false,
    },
  });
});

test("without OTLP, and with traces put off, Caddy makes none and has no secret for them", () => {
  for (const environment of [{}, { OTEL_ENABLED: "true", OTEL_TRACES_EXPORTER: "none" }]) {
    const config = load({ ...environment, OTEL_EXPORTER_OTLP_HEADERS: "a=hidden" });
    expect(compilerSettings(config)).not.toHaveProperty("tracing");
    expect(secretFiles(config)).toEqual([]);
  }
});

test("headers stand in a file alone, and other headers make another configuration", () => {
  const of = (headers: string) => load({ OTEL_ENABLED: "true", OTEL_EXPORTER_OTLP_HEADERS: headers });
  const config = of("authorization=Bearer%20hidden");
  const settings = compilerSettings(config);
  expect(settings.tracing).toMatchObject({
    endpoint: "http://127.0.0.1:4317",
    protocol: "grpc",
    headers_file: "/data/caddy/otlp-headers.json",
    headers_version: expect.stringMatching(/^[0-9a-f]{8}$/),
    sampler: "parentbased_always_on",
  });
  expect(JSON.stringify(settings)).not.toContain("hidden");
  expect(secretFiles(config).map(({ path, secret }) => [path, secret.reveal()])).toEqual([
    ["/data/caddy/otlp-headers.json", '{"authorization":"Bearer hidden"}'],
  ]);
  expect(compilerSettings(of("authorization=other")).tracing).not.toEqual(settings.tracing);
});
