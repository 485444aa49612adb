import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { createAdminClient } from "../../src/caddy/admin-client.ts";
import type { MetricFamily } from "../../src/caddy-json/metric-family.ts";
import { caddyFamilies } from "../../src/telemetry/caddy-families.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { listening } from "../support/listening.ts";
import { noCertificates } from "../support/no-certificates.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const counted: MetricFamily = {
  name: "gatewright_counted_total",
  help: "Counted.",
  type: "counter",
  labels: ["ingress"],
  samples: [{ l: ["shop"], v: 3 }],
};

function metricsOver(ask: () => Promise<readonly MetricFamily[]>) {
  const logger = recordingLogger();
  const caddy = caddyFamilies({ ask, logger });
  return {
    logger,
    metrics: createMetrics({ version: "1", ingresses: () => 2, certificates: () => noCertificates, caddy }),
  };
}

const scrape = async (metrics: Metrics): Promise<readonly string[]> => (await metrics.text()).split("\n");

describe("metrics of Caddy", () => {
  it("are asked of its admin endpoint, and stand beside ours", async () => {
    const asked: (string | undefined)[] = [];
    await using server = await listening(
      createServer((request, response) => {
        asked.push(request.url);
        response.end(JSON.stringify({ families: [counted] }));
      }),
    );
    const client = createAdminClient({ adminUrl: `http://127.0.0.1:${server.port}` });
    const lines = await scrape(metricsOver(() => client.metrics({ ingresses: 7, histograms: 3 })).metrics);
    await client.close();
    expect(asked).toEqual(["/gatewright/metrics?ingresses=7&histograms=3"]);
    for (const line of [
      'gatewright_counted_total{ingress="shop"} 3',
      "gatewright_caddy_scrape_up 1",
      "gatewright_ingresses 2",
    ])
      expect(lines).toContain(line);
  });

  it("are left out while it does not answer within its time, which is told and logged once", async () => {
    // Takes the question, and never answers.
    await using server = await listening(createServer(() => {}));
    const client = createAdminClient({ adminUrl: `http://127.0.0.1:${server.port}`, timeoutMs: 20 });
    let hangs = true;
    const { logger, metrics } = metricsOver(() =>
      hangs ? client.metrics({ ingresses: 7, histograms: 3 }) : Promise.resolve([counted]),
    );
    await scrape(metrics);
    const lines = await scrape(metrics);
    await client.close();
    expect(lines.filter((line) => line.startsWith("gatewright_counted"))).toEqual([]);
    expect(lines).toContain("gatewright_caddy_scrape_up 0");
    expect(lines).toContain("gatewright_ingresses 2");
    expect(logger.entries.map(({ level, message }) => [level, message])).toEqual([
      ["warn", "Caddy's metrics are left out until it answers"],
    ]);
    hangs = false;
    expect(await scrape(metrics)).toContain("gatewright_caddy_scrape_up 1");
  });

  it("are asked for once by all who scrape at the same time", async () => {
    let questions = 0;
    const { metrics } = metricsOver(async () => {
      questions += 1;
      return [];
    });
    await Promise.all([metrics.text(), metrics.text(), metrics.families()]);
    expect(questions).toBe(1);
    await metrics.text();
    expect(questions).toBe(2);
  });
});

it("a histogram of ours is one family with a sample for each set of labels", async () => {
  const { metrics } = metricsOver(async () => []);
  metrics.observeRequest("GET", "/a", 200, 0.003);
  metrics.observeRequest("GET", "/a", 404, 7);
  metrics.observeRequest("PUT", "/b", 200, 70);
  const families = await metrics.families();
  expect(families.find(({ name }) => name === "gatewright_http_request_duration_seconds")).toEqual({
    name: "gatewright_http_request_duration_seconds",
    help: "Time to answer requests to the API.",
    type: "histogram",
    labels: ["method", "route"],
    bounds: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    samples: [
      { l: ["GET", "/a"], c: [0, 1, 1, 1, 1, 1, 2, 2], s: 7.003, n: 2 },
      { l: ["PUT", "/b"], c: [0, 0, 0, 0, 0, 0, 0, 1], s: 70, n: 1 },
    ],
  });
});
