/**
 * Writes docs/monitoring/dashboard.json, a dashboard for Grafana, from scripts/dashboard.ts. `--check` writes nothing and
 * exits 1 when the file is stale.
 */
import { readFile, writeFile } from "node:fs/promises";
import { type Panel, type Row, rows } from "./dashboard.ts";

const file = new URL("../docs/monitoring/dashboard.json", import.meta.url);

const COLUMNS = 24;
const heights = { stat: 4, timeseries: 8, table: 8 } as const;
const datasource = { type: "prometheus", uid: "$datasource" };

/** The dashboard as Grafana imports it. */
function renderDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      type: "row",
      id: panels.length + 1,
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    for (const { panel, x, line } of placed(row))
      panels.push({
        id: panels.length + 1,
        gridPos: { x, y: y + line, w: panel.width, h: heights[panel.kind] },
        ...render(panel),
      });
    y += heightOf(row);
  }
  const dashboard = {
    title: "Gatewright",
    uid: "gatewright",
    tags: ["gatewright"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: "now-1h", to: "now" },
    refresh: "30s",
    templating: { list: pickers() },
    panels,
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

/** From left to right, in as many lines as it takes. */
function placed({ panels }: Row): readonly { panel: Panel; x: number; line: number }[] {
  let [x, line] = [0, 0];
  return panels.map((panel) => {
    if (x + panel.width > COLUMNS) [x, line] = [0, line + heights[panel.kind]];
    const place = { panel, x, line };
    x += panel.width;
    return place;
  });
}

function heightOf(row: Row): number {
  return Math.max(...placed(row).map(({ line, panel }) => line + heights[panel.kind]));
}

function render({ title, kind, unit, queries, about, badFrom, badBelow }: Panel): object {
  const isInstant = kind !== "timeseries";
  const targets = queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource,
    expr,
    legendFormat: legendFormat === "" ? "__auto" : legendFormat,
    ...(isInstant ? { instant: true, range: false } : { range: true }),
    ...(kind === "table" ? { format: "table" } : {}),
  }));
  const steps = [
    { color: badBelow === undefined ? "green" : "red", value: null },
    ...(badBelow === undefined ? [] : [{ color: "green", value: badBelow }]),
    ...(badFrom === undefined ? [] : [{ color: "red", value: badFrom }]),
  ];
  return {
    type: kind,
    title,
    ...(about === undefined ? {} : { description: about }),
    datasource,
    targets,
    fieldConfig: {
      defaults: {
        unit,
        min: kind === "timeseries" ? 0 : undefined,
        thresholds: { mode: "absolute", steps },
        ...(kind === "timeseries" ? { custom: { fillOpacity: 10, showPoints: "never" } } : {}),
      },
      overrides: [],
    },
    options: kind === "stat" ? { colorMode: "value", reduceOptions: { calcs: ["lastNotNull"] } } : {},
  };
}

function pickers(): readonly object[] {
  const picker = (name: string, label: string, query: string, more: object = {}): object => ({
    type: "query",
    name,
    label,
    datasource,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    ...more,
  });
  const several = {
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  };
  return [
    { type: "datasource", name: "datasource", label: "Data source", query: "prometheus" },
    picker("job", "Job", "label_values(gatewright_info, job)"),
    picker("instance", "Gatewright", 'label_values(gatewright_info{job="$job"}, instance)', several),
    picker(
      "ingress",
      "Ingress",
      'label_values(gatewright_requests_total{job="$job",instance=~"$instance"}, ingress)',
      several,
    ),
  ];
}

/** Writes the file; true when it was stale. */
export async function generateDashboard(check: boolean): Promise<boolean> {
  const wanted = renderDashboard();
  if ((await readFile(file, "utf8").catch(() => "")) === wanted) return false;
  if (!check) await writeFile(file, wanted);
  return true;
}

if (process.argv[1] === import.meta.filename) {
  const check = process.argv.includes("--check");
  if ((await generateDashboard(check)) && check) {
    console.error("stale: docs/monitoring/dashboard.json; run `npm run generate`");
    process.exitCode = 1;
  }
}
