import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { rows } from "../scripts/dashboard.ts";
import { generateDashboard } from "../scripts/generate-dashboard.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { noCertificates } from "./support/no-certificates.ts";
import { hasPrometheus } from "./support/prometheus.ts";

const docs = join(import.meta.dirname, "../docs");
const monitoring = join(docs, "monitoring");

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const { groups } = parse(readFileSync(join(monitoring, "alerts.yml"), "utf8")) as Rules;
const alerts = groups.flatMap(({ rules }) => rules);

/** Every question that the dashboard asks, its pickers included. */
const questions = [
  ...rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(([expression]) => expression))),
  ...[...readFileSync(join(monitoring, "dashboard.json"), "utf8").matchAll(/"label_values\((\w+)/g)].map(
    ([, name = ""]) => name,
  ),
];

/** Names of metrics in an expression. */
function metricsIn(expression: string): readonly string[] {
  return [...expression.matchAll(/\b(?:gatewright|process|nodejs)_\w+/g)].map(([name]) => name);
}

/** Those of docs/observability.md, which a running Gatewright holds to what it tells, and those of Node. */
async function knownNames(): Promise<ReadonlySet<string>> {
  const page = readFileSync(join(docs, "observability.md"), "utf8");
  const listed = [...page.matchAll(/^\| `(gatewright_\w+)` \| (\w+) \|/gm)].map(([, name = "", type]) => ({
    name,
    type,
  }));
  expect(listed.length).toBeGreaterThan(50);
  const own = await createMetrics({
    version: "1",
    ingresses: () => 0,
    certificates: () => noCertificates,
  }).families();
  return new Set(
    [...listed, ...own].flatMap(({ name, type }) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name],
    ),
  );
}

describe("docs/monitoring", () => {
  it("asks for metrics that there are", async () => {
    const known = await knownNames();
    const asked = [...alerts.map(({ expr }) => expr), ...questions].flatMap(metricsIn);
    expect(asked.length).toBeGreaterThan(60);
    expect([...new Set(asked)].filter((name) => !known.has(name))).toEqual([]);
  });

  it("has a dashboard that is what scripts/dashboard.ts says", async () => {
    expect(await generateDashboard(true)).toBe(false);
  });

  it.skipIf(!hasPrometheus)("has alerts of promtool's liking that fire when they should", () => {
    const promtool = (...args: string[]) =>
      String(execFileSync("promtool", args, { cwd: monitoring, stdio: "pipe" }));
    expect(promtool("check", "rules", "alerts.yml")).toContain("SUCCESS");
    expect(promtool("test", "rules", "alerts.test.yml")).toContain("SUCCESS");
  });

  it("has a case for each alert", () => {
    const cases = readFileSync(join(monitoring, "alerts.test.yml"), "utf8");
    expect(alerts.map(({ alert }) => alert).filter((alert) => !cases.includes(alert))).toEqual([]);
  });
});
