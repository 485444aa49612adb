import type { IngressPath, RewritePolicy } from "../model/api.ts";
import { isPathProblem, normalizePath } from "../model/path.ts";
import { quote } from "../model/wording.ts";
import type { Policy } from "./policy.ts";

const pathTypes = { strip_prefix: "prefix", replace_prefix: "prefix", replace_path: "exact" } as const;

/** caddy/policies/rewrite.go */
interface RewriteHandler {
  readonly handler: "gatewright_rewrite";
  readonly path?: string;
  readonly prefix?: string;
  readonly with?: string;
}

/** Another path for the instance. */
export const rewrite: Policy<"rewrite"> = {
  key: "rewrite",
  problems(value, report, { match }) {
    for (const [key, text] of entriesOf(value)) {
      const path = normalizePath({ type: pathTypes[key], value: text });
      if (isPathProblem(path)) report.refuse(key, `${quote(text)}: ${path.problem}`, "invalid_path");
      else if (key === "strip_prefix" && path.value === "/")
        report.refuse(key, "taking / off changes nothing; leave rewrite out", "invalid_path");
    }
    if (value.replace_prefix !== undefined && match.path?.type === "exact")
      report.refuse("replace_prefix", "the rule's path is exact; use replace_path");
  },
  /** Paths decoded and cleaned, as they are compared and sent. */
  normalize: (value) =>
    Object.fromEntries(entriesOf(value).map(([key, text]) => [key, normalText(pathTypes[key], text)])),
  handlers({ strip_prefix, replace_prefix, replace_path }, { match }) {
    if (replace_path !== undefined) return [handler({ path: replace_path })];
    if (strip_prefix !== undefined) return [handler({ prefix: strip_prefix })];
    if (replace_prefix === undefined) return [];
    return [handler({ prefix: match.path?.value ?? "/", with: replace_prefix })];
  },
  usesPath: ({ replace_prefix }) => replace_prefix !== undefined,
};

function entriesOf(value: RewritePolicy): [keyof RewritePolicy, string][] {
  return Object.entries(value) as [keyof RewritePolicy, string][];
}

function normalText(type: IngressPath["type"], value: string): string {
  const path = normalizePath({ type, value });
  return isPathProblem(path) ? value : path.value;
}

function handler(fields: Omit<RewriteHandler, "handler">): RewriteHandler {
  return { handler: "gatewright_rewrite", ...fields };
}
