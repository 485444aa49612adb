/** What docs/monitoring/dashboard.json is made of: `scripts/generate-dashboard.ts` renders it. */

/** One question to Prometheus, and how its series are named in the legend. */
export type Query = readonly [expression: string, legend: string];

export interface Panel {
  readonly title: string;
  /** Grafana's: https://grafana.com/docs/grafana/latest/panels-visualizations/ */
  readonly kind: "stat" | "timeseries" | "table";
  /** Grafana's unit. */
  readonly unit: string;
  /** Columns of 24. */
  readonly width: number;
  readonly queries: readonly Query[];
  /** Shown at the panel's i. */
  readonly about?: string;
  /** From this value on it is red. */
  readonly badFrom?: number;
  /** Below this value it is red. */
  readonly badBelow?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const stat = (title: string, expression: string, more: Partial<Panel> = {}): Panel => ({
  title,
  kind: "stat",
  unit: "short",
  width: 3,
  queries: [[expression, ""]],
  ...more,
});

const graph = (title: string, unit: string, queries: readonly Query[], more: Partial<Panel> = {}): Panel => ({
  title,
  kind: "timeseries",
  unit,
  width: 8,
  queries,
  ...more,
});

/** What the pickers at the top choose. */
const chosen = 'job="$job",instance=~"$instance"';
const ofIngress = `${chosen},ingress=~"$ingress"`;

const rate = (counter: string, labels = chosen): string => `rate(${counter}{${labels}}[$__rate_interval])`;
const by = (labels: string, expression: string): string => `sum by (${labels}) (${expression})`;
const quantile = (of: number, histogram: string, labels = chosen, more = ""): string =>
  `histogram_quantile(${of}, sum by (le${more}) (${rate(`${histogram}_bucket`, labels)}))`;
const quantiles = (histogram: string, labels = chosen): readonly Query[] =>
  [0.5, 0.95, 0.99].map((of) => [quantile(of, histogram, labels), `p${of * 100}`] as const);
const top = (expression: string): string => `topk(10, ${expression})`;

const requests = "gatewright_requests_total";
const failed = rate(requests, `${ofIngress},status=~"5.."`);

/** In the order in which somebody looks who was woken up. */
export const rows: readonly Row[] = [
  {
    title: "Now",
    panels: [
      stat("Ready", `min(gatewright_ready{${chosen}})`, { badBelow: 1 }),
      stat("Caddy", `min(gatewright_caddy_up{${chosen}})`, { badBelow: 1 }),
      stat("Requests", `sum(${rate(requests, ofIngress)})`, { unit: "reqps" }),
      stat("Failed (5xx)", `sum(${failed}) / sum(${rate(requests, ofIngress)})`, {
        unit: "percentunit",
        badFrom: 0.05,
      }),
      stat("p99", quantile(0.99, "gatewright_request_duration_seconds", ofIngress), { unit: "s" }),
      stat("In flight", `sum(gatewright_requests_in_flight{${ofIngress}})`),
      stat("Ingresses", `sum(gatewright_ingresses{${chosen}})`),
      stat(
        "Certificates failed or expired",
        `sum(gatewright_certificates{${chosen},state=~"failed|expired"})`,
        {
          badFrom: 1,
        },
      ),
    ],
  },
  {
    title: "Requests",
    panels: [
      graph("Requests by status", "reqps", [
        [
          `sum by (class) (label_replace(${rate(requests, ofIngress)}, "class", "\${1}xx", "status", "(.).*"))`,
          "{{class}}",
        ],
      ]),
      graph("Time to answer", "s", quantiles("gatewright_request_duration_seconds", ofIngress)),
      graph(
        "Requests that no ingress took",
        "reqps",
        [[by("reason", rate("gatewright_unrouted_requests_total")), "{{reason}}"]],
        { about: "By the first thing that set them apart from the rule that came nearest." },
      ),
      graph("Busiest ingresses", "reqps", [[top(by("ingress", rate(requests, ofIngress))), "{{ingress}}"]]),
      graph("Ingresses that fail most (5xx)", "reqps", [[top(by("ingress", failed)), "{{ingress}}"]]),
      graph("Slowest ingresses (p95)", "s", [
        [top(quantile(0.95, "gatewright_request_duration_seconds", ofIngress, ", ingress")), "{{ingress}}"],
      ]),
      graph("Refused by policies", "reqps", [
        [by("policy", rate("gatewright_refused_requests_total", ofIngress)), "{{policy}}"],
      ]),
      graph("Bodies", "Bps", [
        [`sum(${rate("gatewright_request_bytes_total", ofIngress)})`, "from clients"],
        [`sum(${rate("gatewright_response_bytes_total", ofIngress)})`, "to clients"],
      ]),
      graph("Most in flight", "short", [
        [top(by("ingress", `gatewright_requests_in_flight{${ofIngress}}`)), "{{ingress}}"],
      ]),
    ],
  },
  {
    title: "Instances",
    panels: [
      graph("Errors by cause", "reqps", [
        [by("cause", rate("gatewright_upstream_errors_total", ofIngress)), "{{cause}}"],
      ]),
      graph("Ingresses with the most errors", "reqps", [
        [
          top(by("ingress, cause", rate("gatewright_upstream_errors_total", ofIngress))),
          "{{ingress}}: {{cause}}",
        ],
      ]),
      graph("Slowest first byte (p95)", "s", [
        [
          top(quantile(0.95, "gatewright_upstream_first_byte_duration_seconds", ofIngress, ", ingress")),
          "{{ingress}}",
        ],
      ]),
      graph("Time to connect", "s", quantiles("gatewright_upstream_connect_duration_seconds")),
      graph("Tried again, left out", "reqps", [
        [`sum(${rate("gatewright_upstream_retries_total", ofIngress)})`, "tried again"],
        [by("by", rate("gatewright_upstream_ejections_total", ofIngress)), "left out by {{by}}"],
      ]),
      graph("Instances by state", "short", [[by("state", `gatewright_instances{${chosen}}`), "{{state}}"]]),
    ],
  },
  {
    title: "TLS and layer 4",
    panels: [
      graph("Handshakes", "reqps", [
        [by("version", rate("gatewright_tls_handshakes_total")), "TLS {{version}}"],
      ]),
      graph("Handshakes that failed", "reqps", [
        [by("cause", rate("gatewright_tls_handshake_failures_total")), "{{cause}}"],
      ]),
      graph("Certificates", "short", [[by("state", `gatewright_certificates{${chosen}}`), "{{state}}"]]),
      {
        title: "Certificates that end first",
        kind: "table",
        unit: "s",
        width: 8,
        queries: [
          [`bottomk(10, gatewright_certificate_not_after_timestamp_seconds{${chosen}} - time())`, "{{name}}"],
        ],
      },
      graph("Connections of layer 4", "short", [
        [top(by("ingress", `gatewright_layer4_connections_active{${ofIngress}}`)), "{{ingress}}"],
      ]),
      graph("Connections of layer 4 that failed", "cps", [
        [by("cause", rate("gatewright_layer4_failures_total")), "{{cause}}"],
      ]),
    ],
  },
  {
    title: "Control plane",
    panels: [
      graph("Changes by outcome", "ops", [
        [by("outcome", rate("gatewright_change_duration_seconds_count")), "{{outcome}}"],
      ]),
      graph("Time of a change", "s", quantiles("gatewright_change_duration_seconds")),
      graph("Slowest steps of an apply (p95)", "s", [
        [quantile(0.95, "gatewright_apply_step_duration_seconds", chosen, ", step"), "{{step}}"],
      ]),
      graph("DNS questions by answer", "ops", [
        [by("answer", rate("gatewright_dns_questions_total")), "{{answer}}"],
      ]),
      graph("Caddy found changed, ports left out", "short", [
        [`gatewright_caddy_drifted{${chosen}}`, "changed by somebody else"],
        [`gatewright_unserved_ports{${chosen}}`, "ports left out"],
        [`gatewright_unserved_tls_rules{${chosen}}`, "TLS rules left out"],
      ]),
      graph("Scrapes", "s", [[`gatewright_caddy_scrape_duration_seconds{${chosen}}`, "Caddy's part"]]),
    ],
  },
  {
    title: "Processes",
    panels: [
      graph("Memory", "bytes", [
        [`gatewright_caddy_process_resident_memory_bytes{${chosen}}`, "Caddy"],
        [`process_resident_memory_bytes{${chosen}}`, "manager"],
      ]),
      graph("Descriptors", "short", [
        [`gatewright_caddy_process_open_fds{${chosen}}`, "Caddy"],
        [`process_open_fds{${chosen}}`, "manager"],
      ]),
      graph("Processor time of the manager, delay of its event loop", "short", [
        [rate("process_cpu_seconds_total"), "processors"],
        [`nodejs_eventloop_lag_p99_seconds{${chosen}}`, "delay, p99, seconds"],
      ]),
    ],
  },
];
