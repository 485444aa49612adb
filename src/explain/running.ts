import type { RunSelection, RunsLine, RunsSource } from "../caddy/caddy-api.ts";
import { redact } from "./redact.ts";

/** What runs, without secrets: a piece of it at a time. */
export interface RunningPart {
  /** The key of the answer that the part is of: Caddy's configuration, its versions, a row, a policy set. */
  readonly part: "caddy" | "versions" | "rows" | "policy_sets";
  /** Of a policy set. */
  readonly key?: string;
  readonly value: unknown;
}

/** Reads what Caddy runs, as it is asked for: rows and policy sets come as fast as they are taken. */
export async function* runningParts(
  caddy: RunsSource,
  selection: RunSelection,
): AsyncGenerator<readonly RunningPart[]> {
  const isWhole = selection.ingress === undefined && selection.host === undefined;
  yield [
    { part: "versions", value: await caddy.running() },
    // It is of all ingresses, so that nothing of it belongs to one.
    ...(isWhole ? [{ part: "caddy", value: redact(await caddy.config()) } as const] : []),
  ];
  for await (const lines of caddy.runs(selection)) yield lines.map(partOf);
}

function partOf(line: RunsLine): RunningPart {
  if ("row" in line) return { part: "rows", value: redact(line.row) };
  return { part: "policy_sets", key: line.policy_set, value: redact(line.set) };
}
