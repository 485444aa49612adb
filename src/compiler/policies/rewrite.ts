import type { IngressRule } from "../../model/api.ts";
import type { PolicyHandler } from "./handler-json.ts";

/** Another path for the instance. Paths are normalised ones. */
export function rewriteHandlers(rule: IngressRule): readonly PolicyHandler[] {
  const { strip_prefix, replace_prefix, replace_path } = rule.policies?.rewrite ?? {};
  if (replace_path !== undefined) return [{ handler: "gatewright_rewrite", path: replace_path }];
  if (strip_prefix !== undefined) return [{ handler: "gatewright_rewrite", prefix: strip_prefix }];
  if (replace_prefix === undefined) return [];
  return [{ handler: "gatewright_rewrite", prefix: rule.match.path?.value ?? "/", with: replace_prefix }];
}
