import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";

/** In Debian's package `prometheus`, which `.ci/run` installs. */
const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!hasPromtool) console.warn("SKIPPED: promtool is not installed");

const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const plain = "text/plain; version=0.0.4; charset=utf-8";

describe("E11: /metrics", () => {
  it.skipIf(!hasPromtool)("is content of promtool's", async () => {
    await using api = await startApi();
    const { text } = await api.call({ path: "/metrics" });
    expect(String(execFileSync("promtool", ["check", "metrics"], { input: text }))).toBe("");
  });

  it("has gauges without the end of counters' names", async () => {
    await using api = await startApi();
    const { text } = await api.call({ path: "/metrics" });
    expect(text.match(/^# TYPE \S+_total (?!counter).*$/gm)).toBeNull();
  });

  it.each([
    ["", plain],
    ["*/*", plain],
    ["text/html", plain],
    ["application/openmetrics-text", openMetrics],
    ["application/openmetrics-text;version=1.0.0", openMetrics],
    [
      "text/plain;version=0.0.4;q=0.3,application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.1",
      openMetrics,
    ],
    ["text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.6", plain],
  ])("is told in what %j likes best", async (accept, type) => {
    await using api = await startApi();
    await api.call({ path: "/health" });
    const reply = await api.call({ path: "/metrics", headers: accept === "" ? {} : { Accept: accept } });
    expect([reply.status, reply.headers["content-type"], reply.headers["vary"]]).toEqual([
      200,
      type,
      "Accept",
    ]);
    expect(reply.text.endsWith("# EOF\n")).toBe(type === openMetrics);
    expect(reply.text).toContain(
      `# TYPE gatewright_http_requests${type === openMetrics ? "" : "_total"} counter\n`,
    );
    expect(reply.text).toMatch(/^gatewright_http_requests_total\{.*\} \d+$/m);
  });
});
