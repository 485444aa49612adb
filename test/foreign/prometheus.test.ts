import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rows } from "../../scripts/dashboard.ts";
import { rule } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { freePort } from "../support/free-port.ts";
import { hasPrometheus, startPrometheus } from "../support/prometheus.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

const alerts = join(import.meta.dirname, "../../docs/monitoring/alerts.yml");

/** As Grafana fills them in. */
function filledIn(expression: string): string {
  return expression
    .replaceAll("$job", "gatewright")
    .replaceAll("$instance", ".*")
    .replaceAll("$ingress", ".*")
    .replaceAll("$__rate_interval", "1m");
}

describe.skipIf(!hasPrometheus)("a Prometheus", () => {
  const backend = use(() => startBackend());
  const gatewright = useGatewright({}, ["web-1"]);
  const prometheus = use(() => startPrometheus(`127.0.0.1:${gatewright.ports.api}`, alerts));

  it("scrapes a Gatewright that serves, and answers what the dashboard asks", async () => {
    await gatewright.make("shop", rule("shop.test", "web-1", backend.port));
    await gatewright.make("away", rule("away.test", "web-1", await freePort()));
    const values = async (expression: string) =>
      (await prometheus.query(expression)).map(({ value }) => value);
    let isLoaded = true;
    const load = (async () => {
      while (isLoaded) for (const host of ["shop.test", "away.test"]) await gatewright.reach(host);
    })();
    await until(
      async () =>
        (await values('rate(gatewright_requests_total{ingress="away",status="502"}[1m]) > 0')).length > 0,
    );
    isLoaded = false;
    await load;
    // A busy machine may have one come too late.
    await until(async () => (await values("up == 1 and on () gatewright_caddy_scrape_up == 1")).length === 1);
    const silent = [];
    for (const { panels } of rows)
      for (const { queries, title } of panels)
        for (const [expression] of queries)
          if ((await prometheus.query(filledIn(expression))).length === 0) silent.push(title);
    // What need not have happened here.
    const absent = new Set([
      "Refused by policies",
      "Bodies",
      "Most in flight",
      "Tried again, left out",
      "Certificates that end first",
      "Connections of layer 4",
    ]);
    expect(silent.filter((title) => !absent.has(title))).toEqual([]);
  });

  it("takes the alert rules, and none fires where all is well", async () => {
    await until(async () => (await prometheus.rules()).every(({ health }) => health !== "unknown"));
    const rules = await prometheus.rules();
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    expect(await prometheus.query('ALERTS{alertstate="firing"}')).toEqual([]);
  });
});
