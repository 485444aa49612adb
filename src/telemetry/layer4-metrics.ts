import { Counter, Gauge, type Registry } from "prom-client";

/** What of a rule's connections becomes metrics. */
export interface CountedLayer4 {
  readonly active: number;
  readonly total: number;
  readonly failed: number;
  readonly refused: number;
  readonly received_bytes: number;
  readonly sent_bytes: number;
}

export interface Layer4MetricSources {
  /** Counts by `<ingress id>/<rule index>`. */
  readonly layer4: () => Promise<{ readonly [row: string]: CountedLayer4 }>;
  /** Name of an ingress. */
  readonly nameOf: (id: string) => string | undefined;
}

/** Rules with series of their own: those with the most connections. */
const MOST_RULES = 1_000;

const counters: readonly {
  readonly name: string;
  readonly help: string;
  readonly key: keyof CountedLayer4;
}[] = [
  { name: "connections_total", help: "Connections of layer 4 since Caddy started.", key: "total" },
  { name: "connections_failed_total", help: "Connections that found no target.", key: "failed" },
  {
    name: "connections_refused_total",
    help: "Connections that policies.access turned away.",
    key: "refused",
  },
  { name: "received_bytes_total", help: "Bytes from clients.", key: "received_bytes" },
  { name: "sent_bytes_total", help: "Bytes to clients.", key: "sent_bytes" },
];

/** Adds the connections and bytes of rules of layer 4; asked of Caddy once for each scrape. */
export function addLayer4Metrics(registry: Registry, { layer4, nameOf }: Layer4MetricSources): void {
  let asked: ReturnType<Layer4MetricSources["layer4"]> | undefined;
  const counts = () => {
    asked ??= layer4().catch(() => ({}));
    void asked.then(() => setImmediate(() => (asked = undefined)));
    return asked;
  };
  const labelNames = ["ingress", "rule"];
  const registers = [registry];
  const rows = async () =>
    Object.entries(await counts())
      .sort(([, one], [, other]) => other.total - one.total)
      .slice(0, MOST_RULES)
      .flatMap(([row, counted]) => {
        const [id = "", rule = ""] = row.split("/");
        const ingress = nameOf(id);
        return ingress === undefined ? [] : [{ labels: { ingress, rule }, counted }];
      });
  new Gauge({
    name: "gatewright_layer4_connections_active",
    help: "Connections of layer 4 that are open.",
    labelNames,
    registers,
    async collect() {
      this.reset();
      for (const { labels, counted } of await rows()) this.set(labels, counted.active);
    },
  });
  for (const { name, help, key } of counters)
    new Counter({
      name: `gatewright_layer4_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset();
        for (const { labels, counted } of await rows()) this.inc(labels, counted[key]);
      },
    });
}
