import type { IngressPath, RewritePolicy } from "../../model/api.ts";
import { isPathProblem, normalizePath } from "../../model/path.ts";
import { quote } from "../wording.ts";
import type { Report } from "./report.ts";

const KINDS = { strip_prefix: "prefix", replace_prefix: "prefix", replace_path: "exact" } as const;

export function rewriteProblems(rewrite: RewritePolicy, path: IngressPath | undefined, report: Report): void {
  for (const [key, type] of Object.entries(KINDS) as [keyof typeof KINDS, IngressPath["type"]][]) {
    const value = rewrite[key];
    if (value === undefined) continue;
    const part = `policies.rewrite.${key}`;
    const normal = normalizePath({ type, value });
    if (isPathProblem(normal)) report.refuse(part, `${quote(value)}: ${normal.problem}`, "invalid_path");
    else if (key === "strip_prefix" && normal.value === "/") {
      report.refuse(part, "taking / off changes nothing; leave rewrite out", "invalid_path");
    }
  }
  if (rewrite.replace_prefix !== undefined && path?.type === "exact") {
    report.refuse("policies.rewrite.replace_prefix", "the rule's path is exact; use replace_path");
  }
}

/** The paths as they are compared and sent: decoded and cleaned. The policy has no problems. */
export function normalizeRewrite(rewrite: RewritePolicy): RewritePolicy {
  const entries = Object.entries(rewrite) as [keyof typeof KINDS, string][];
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const path = normalizePath({ type: KINDS[key], value });
      return [key, isPathProblem(path) ? value : path.value];
    }),
  );
}
