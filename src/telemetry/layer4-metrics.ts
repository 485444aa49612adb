import type { Registry } from "prom-client";
import type { ConnectionCounts } from "../model/api.ts";
import { addMetric } from "./add-metric.ts";

export interface Layer4MetricSources {
  /** Counts by `<ingress id>/<rule index>`. */
  readonly layer4: () => Promise<{ readonly [row: string]: ConnectionCounts }>;
  /** Name of an ingress. */
  readonly nameOf: (id: string) => string | undefined;
}

/** Rules with series of their own: those with the most connections. */
const MOST_RULES = 1_000;

const series = [
  { name: "connections_active", help: "Connections of layer 4 that are open.", key: "active" },
  { name: "connections_total", help: "Connections of layer 4 since Caddy started.", key: "total" },
  { name: "connections_failed_total", help: "Connections that found no target.", key: "failed" },
  {
    name: "connections_refused_total",
    help: "Connections that policies.access turned away.",
    key: "refused",
  },
  { name: "received_bytes_total", help: "Bytes from clients.", key: "received_bytes" },
  { name: "sent_bytes_total", help: "Bytes to clients.", key: "sent_bytes" },
] as const;

/** Adds the connections and bytes of rules of layer 4; asked of Caddy once for each scrape. */
export function addLayer4Metrics(registry: Registry, { layer4, nameOf }: Layer4MetricSources): void {
  let asked: ReturnType<Layer4MetricSources["layer4"]> | undefined;
  const counts = () => {
    asked ??= layer4().catch(() => ({}));
    void asked.then(() => setImmediate(() => (asked = undefined)));
    return asked;
  };
  const rows = async () =>
    Object.entries(await counts())
      .sort(([, one], [, other]) => other.total - one.total)
      .slice(0, MOST_RULES)
      .flatMap(([row, counted]) => {
        const [id = "", rule = ""] = row.split("/");
        const ingress = nameOf(id);
        return ingress === undefined ? [] : [{ labels: { ingress, rule }, counted }];
      });
  const labelNames = ["ingress", "rule"];
  for (const { name, help, key } of series)
    addMetric(registry, { name: `layer4_${name}`, help, labelNames, isCounter: key !== "active" }, async () =>
      (await rows()).map(({ labels, counted }) => [counted[key], labels] as const),
    );
}
