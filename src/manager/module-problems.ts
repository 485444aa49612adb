import { lackingPolicies } from "../compiler/render-policies.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Problem } from "../errors.ts";
import type { Ingress, IngressRule } from "../model/api.ts";
import { isLayer4 } from "../model/protocol.ts";

/** Policies that need a module which the running Caddy lacks: they must not fail open. */
export function moduleProblems(
  rules: readonly (IngressRule | undefined)[],
  settings: CompilerSettings,
): Problem[] {
  return [...policyModuleProblems(rules, settings), ...layer4ModuleProblems(rules, settings)];
}

/** Rules of layer 4 that the running Caddy cannot serve at all. */
function layer4ModuleProblems(
  rules: readonly (IngressRule | undefined)[],
  { modules }: CompilerSettings,
): Problem[] {
  return rules.flatMap((rule, index) => {
    if (rule === undefined || !isLayer4(rule) || modules === undefined) return [];
    const module = "gatewright_layer4";
    if (modules.includes(module)) return [];
    const message =
      `match.protocol in rule ${index} needs the Caddy module ${module}, which CADDY_BIN lacks; ` +
      "build a Caddy that has it (docs/caddy.md), or unset CADDY_BIN";
    return [{ code: "module_missing" as const, field: `rules[${index}].match.protocol`, message }];
  });
}

function policyModuleProblems(
  rules: readonly (IngressRule | undefined)[],
  settings: CompilerSettings,
): Problem[] {
  return rules.flatMap((rule, index) =>
    rule === undefined
      ? []
      : lackingPolicies(rule, settings).map(({ field, modules }) => ({
          code: "module_missing" as const,
          field: `rules[${index}].${field}`,
          message:
            `${field} in rule ${index} needs the Caddy module ${modules.join(" and ")}, which CADDY_BIN ` +
            "lacks; build a Caddy that has it (docs/caddy.md), unset CADDY_BIN, or leave the policy out",
        })),
  );
}

/** What stored ingresses need and the running Caddy lacks, in words for `/ready`; their requests get 503. */
export function storedModuleProblems(ingresses: Iterable<Ingress>, settings: CompilerSettings): string[] {
  return [...ingresses].flatMap(({ name, rules }) =>
    moduleProblems(rules, settings).map(({ message }) => `ingress ${name} is closed: ${message}`),
  );
}
