import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { MetricFamily } from "../../../src/caddy-json/metric-family.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startEtcd } from "../../support/etcd.ts";
import { storeKey } from "../../support/etcd-store.ts";
import { type ExposedFamily, exposedFamilies } from "../../support/exposed-families.ts";
import { freePort } from "../../support/free-port.ts";
import { hasPrometheus } from "../../support/prometheus.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const page = join(import.meta.dirname, "../../../docs/observability.md");
const begin = "<!-- metrics: UPDATE_DOCS=1 npx vitest run test/e2e/telemetry/families.test.ts -->\n";
const end = "<!-- /metrics -->\n";

/** Of Node and prom-client, which document them. */
const foreign = /^(?:process|nodejs)_/;

const backend = use(() => startBackend());
const folder = use(() => temporaryFolder());
/** Instances of a file, which has a state of its own, and an authority that is down. */
const first = useGatewright(async () => {
  const file = join(folder.path, "instances.json");
  const instances = [{ id: "web-1", name: "web-1", state: "Running", network: { ip: "127.0.0.1" } }];
  await writeFile(file, JSON.stringify(instances));
  return {
    INSTANCE_SOURCE: "file",
    INSTANCE_FILE: file,
    TLS_ISSUER: "internal",
    TLS_ALLOWED_DOMAINS: "*.example.test",
    ACME_EMAIL: "ops@example.com",
    ACME_CA: `https://127.0.0.1:${await freePort()}/directory`,
  };
});
const etcd = use(() => startEtcd());
const second = useGatewright(() => ({
  STORE: "etcd",
  ETCD_ENDPOINTS: etcd.endpoints.join(),
  STORE_KEY: storeKey,
  GATEWAY_NAME: "second",
  TLS_ISSUER: "internal",
  TLS_ON_DEMAND: "true",
  TLS_ALLOWED_DOMAINS: "*.example.test",
}));

const scrape = async ({ url }: { readonly url: string }): Promise<string> =>
  (await call(`${url}/metrics`)).text;

/** Families of all parts; labels where a sample has them, and all that Caddy declares. */
async function knownFamilies(): Promise<ReadonlyMap<string, ExposedFamily>> {
  const { body } = await askCaddy<{ readonly families: readonly MetricFamily[] }>(
    first.ports.admin,
    "/gatewright/metrics",
  );
  const declared = new Map(body.families.map(({ name, labels }) => [name, new Set(labels)]));
  const all = [...exposedFamilies(await scrape(second)), ...exposedFamilies(await scrape(first))];
  return new Map(
    all
      .filter(([name]) => !foreign.test(name))
      .map(([name, family]) => [name, { ...family, labels: declared.get(name) ?? family.labels }] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
}

function rowOf([name, { help, labels, type }]: readonly [string, ExposedFamily]): string {
  const shown = [...labels].map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${type} | ${shown} | ${help} |\n`;
}

describe("the metrics of a whole Gatewright", () => {
  beforeAll(async () => {
    await first.make("shop", rule("shop.test", "web-1", backend.port));
    await first.make("away", rule("away.test", "web-1", await freePort()));
    for (const host of ["shop.test", "away.test", "nobody.test"]) await first.visit(host);
    for (const issuer of ["internal", "acme"] as const)
      await first.make(
        issuer,
        rule(`${issuer}.example.test`, "web-1", backend.port, {}, { tls: true, tls_options: { issuer } }),
      );
    await until(async () => {
      const text = await scrape(first);
      return ["not_after_timestamp_seconds", "failures"].every((what) =>
        text.includes(`\ngatewright_certificate_${what}{`),
      );
    });
  });

  it("are each in the table of docs/observability.md, as they describe themselves", async () => {
    const text = await readFile(page, "utf8");
    const [before = "", rest = ""] = text.split(begin);
    const [, after = ""] = rest.split(end);
    const head = "| metric | type | labels | what |\n|---|---|---|---|\n";
    const table = `${head}${[...(await knownFamilies())].map(rowOf).join("")}`;
    if (process.env["UPDATE_DOCS"] === "1") await writeFile(page, `${before}${begin}${table}${end}${after}`);
    else expect(rest.split(end)[0]).toBe(table);
  });

  it.skipIf(!hasPrometheus)("are content of promtool's", async () => {
    const input = await scrape(first);
    expect(input).toContain("\ngatewright_caddy_scrape_up 1\n");
    expect(String(execFileSync("promtool", ["check", "metrics"], { input }))).toBe("");
  });

  it("name so many ingresses as METRICS_INGRESSES says", async () => {
    const named = (text: string) => new Set([...text.matchAll(/ingress="([^"]*)"/g)].map(([, name]) => name));
    expect(named(await scrape(first))).toEqual(new Set(["shop", "away"]));
    await first.stop();
    await first.start({ environment: { METRICS_INGRESSES: "1" } });
    // What was told under a name before is not told again under another one.
    await scrape(first);
    for (const host of ["shop.test", "away.test"]) await first.visit(host);
    expect(named(await scrape(first))).toEqual(new Set([expect.any(String), "_other"]));
  });

  it("have histograms of so many ingresses as METRICS_HISTOGRAMS says, and counters of the others", async () => {
    await first.stop();
    await first.start({ environment: { METRICS_HISTOGRAMS: "1" } });
    await scrape(first);
    for (const host of ["shop.test", "away.test"]) await first.visit(host);
    const text = await scrape(first);
    const named = (family: string) =>
      new Set(
        [...text.matchAll(new RegExp(`^gatewright_${family}\\{ingress="([^"]*)"`, "gm"))].map(
          ([, name]) => name,
        ),
      );
    expect([...named("requests_total")]).toEqual(expect.arrayContaining(["shop", "away"]));
    expect(named("request_duration_seconds_count").size).toBe(2);
    expect(named("request_duration_seconds_count")).toContain("_other");
  });
});
