import type { Problem } from "../errors.ts";
import type { TimeoutsPolicy } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { Report } from "../policies/report.ts";

const MAX_TIMEOUT_MS = 24 * 3_600_000;

/** The problems of `policies.timeouts` beyond its schema, but for `idle`, which is of layer 4. */
export function timeoutProblems(timeouts: TimeoutsPolicy, ruleIndex: number): Problem[] {
  const report = new Report(ruleIndex, "policies.timeouts");
  for (const key of ["connect", "response_header", "read_idle"] as const) {
    const text = timeouts[key];
    const ms = text === undefined ? 1 : durationMs(text);
    if (ms !== undefined && ms <= MAX_TIMEOUT_MS) continue;
    report.refuse(key, "write it as 500ms, 30s or 1m, above 0 and at most 24h");
  }
  return report.problems;
}
