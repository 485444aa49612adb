import { describe, expect, it } from "vitest";
import type { MetricFamily } from "../../src/caddy-json/metric-family.ts";
import { exposition, metricTypes } from "../../src/telemetry/exposition.ts";

const [plain, open] = metricTypes;

const families: readonly MetricFamily[] = [
  {
    name: "requests_total",
    help: 'Requests.\nSaid "twice", \\ once.',
    type: "counter",
    labels: ["ingress", "status"],
    samples: [
      { l: ["shop", "200"], v: 12 },
      { l: ['a"b\\c\nd', "404"], v: 1e21 },
    ],
  },
  { name: "up", help: "Up.", type: "gauge", labels: [], samples: [{ l: [], v: 1 }] },
  {
    name: "seconds",
    help: "Time.",
    type: "histogram",
    labels: ["ingress"],
    bounds: [0.5, 1],
    samples: [{ l: ["shop"], c: [1, 2, 3], s: 4.25, n: 3 }],
  },
];

describe("text", () => {
  it("is Prometheus' format", () => {
    expect(exposition(families, plain)).toBe(
      [
        '# HELP requests_total Requests.\\nSaid "twice", \\\\ once.',
        "# TYPE requests_total counter",
        'requests_total{ingress="shop",status="200"} 12',
        'requests_total{ingress="a\\"b\\\\c\\nd",status="404"} 1e+21',
        "# HELP up Up.",
        "# TYPE up gauge",
        "up 1",
        "# HELP seconds Time.",
        "# TYPE seconds histogram",
        'seconds_bucket{ingress="shop",le="0.5"} 1',
        'seconds_bucket{ingress="shop",le="1"} 2',
        'seconds_bucket{ingress="shop",le="+Inf"} 3',
        'seconds_sum{ingress="shop"} 4.25',
        'seconds_count{ingress="shop"} 3',
        "",
      ].join("\n"),
    );
  });

  it("is OpenMetrics: counters without their end, bounds with a point, an end", () => {
    const lines = exposition(families, open).split("\n");
    expect(lines.slice(0, 3)).toEqual([
      '# HELP requests Requests.\\nSaid \\"twice\\", \\\\ once.',
      "# TYPE requests counter",
      'requests_total{ingress="shop",status="200"} 12',
    ]);
    expect(lines).toContain('seconds_bucket{ingress="shop",le="1.0"} 2');
    expect(lines.slice(-2)).toEqual(["# EOF", ""]);
  });

  it("has the first of two families with a name", () => {
    const family = (v: number): MetricFamily => ({
      name: "up",
      help: "",
      type: "gauge",
      labels: [],
      samples: [{ l: [], v }],
    });
    expect(exposition([family(1), family(2)], plain)).toBe("# HELP up \n# TYPE up gauge\nup 1\n");
  });

  it.each([
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
    [Number.NaN, "NaN"],
    [1e-7, "1e-7"],
    [-0.5, "-0.5"],
  ])("writes %d as %s", (v, text) => {
    const family = { name: "x", help: "", labels: [], samples: [{ l: [], v }] };
    expect(exposition([{ ...family, type: "gauge" }], plain)).toContain(`\nx ${text}\n`);
  });

  it("has a histogram of nothing", () => {
    const histogram: MetricFamily = {
      name: "x",
      help: "",
      type: "histogram",
      labels: [],
      bounds: [1],
      samples: [{ l: [], c: [0, 0] }],
    };
    expect(exposition([histogram], plain)).toContain(
      'x_bucket{le="1"} 0\nx_bucket{le="+Inf"} 0\nx_sum 0\nx_count 0\n',
    );
  });
});
