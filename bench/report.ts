import { arch, cpus, release, totalmem } from "node:os";

/** One figure of the table. */
export interface Measurement {
  /** Key of the row that measured it. */
  readonly row: string;
  readonly what: string;
  /** Number of ingresses. */
  readonly size: number;
  readonly value: number;
  readonly unit: Unit;
  /** The same of what it is compared with, measured in the same run. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** Value ÷ peer: the median over the rounds. */
  readonly ratio?: number;
  readonly goal?: { readonly text: string; readonly met: boolean };
}

export type Unit =
  | "/s"
  | "MB/s"
  | "ms"
  | "µs"
  | "s"
  | "MB"
  | "KB"
  | "failed"
  | "closed"
  | "lost"
  | "orders"
  | "names";

/** All figures of a run and what they were taken on. */
export interface Report {
  readonly taken_at: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory_gb: number;
    readonly system: string;
  };
  readonly measurements: readonly Measurement[];
}

export function reportOf(measurements: readonly Measurement[], takenAt: Date): Report {
  const machine = {
    cpu: `${cpus()[0]?.model ?? "unknown"} (${arch()})`,
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()}, Node ${process.versions.node}`,
  };
  return { taken_at: takenAt.toISOString(), machine, measurements };
}

const columns = ["ingresses", "what", "ours", "peer", "ours ÷ peer", "goal", ""] as const;

/** The figures as a Markdown table, in the order of rows, then sizes. */
export function renderTable(measurements: readonly Measurement[]): string {
  const order = [...new Set(measurements.map(({ what }) => what))];
  const sorted = measurements.toSorted(
    (left, right) => order.indexOf(left.what) - order.indexOf(right.what) || left.size - right.size,
  );
  const rows = sorted.map((one) => [
    one.size.toLocaleString("en"),
    one.what,
    `${formatNumber(one.value)} ${one.unit}`,
    one.peer === undefined ? "" : `${formatNumber(one.peer.value)} ${one.unit} (${one.peer.name})`,
    one.ratio === undefined ? "" : formatRatio(one.ratio),
    one.goal?.text ?? "",
    one.goal === undefined ? "" : one.goal.met ? "met" : "MISSED",
  ]);
  const widths = columns.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at === 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, at) => (at === 1 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(columns), rule, ...rows.map(line)].join("\n");
}

/** One figure as a line of text. */
export function describe({ what, value, unit, peer, ratio, goal }: Measurement): string {
  const against = peer === undefined ? "" : `, ${peer.name} ${formatNumber(peer.value)}`;
  const divided = ratio === undefined ? "" : `, ratio ${formatRatio(ratio)}`;
  const judged = goal === undefined ? "" : `, goal ${goal.text}: ${goal.met ? "met" : "MISSED"}`;
  return `${what}: ${formatNumber(value)} ${unit}${against}${divided}${judged}`;
}

function formatRatio(ratio: number): string {
  return ratio < 0.1 ? String(Number(ratio.toPrecision(2))) : ratio.toFixed(2);
}

function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isInteger(value)
    ? value.toLocaleString("en")
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
