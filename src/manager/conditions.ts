import { isServedHere } from "../compiler/layer4.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Ingress } from "../model/api.ts";
import type { Finding, StatusContributor } from "../status/condition.ts";
import type { Reconciler } from "./reconciler.ts";

type Programming = Pick<Reconciler, "programmed" | "reasons" | "leftOut">;

/** Whether ingresses are valid and stored (`Accepted`), and whether Caddy serves them so (`Programmed`). */
export function managerConditions(
  reconciler: Programming,
  compiler: CompilerSettings,
): readonly StatusContributor[] {
  return [
    () => ({
      type: "Accepted",
      status: "True",
      reason: "Accepted",
      message: "The ingress is valid and stored.",
    }),
    programmed(reconciler, compiler),
  ];
}

/** Whether Caddy serves an ingress as it is stored. */
export function programmed(
  reconciler: Programming,
  compiler: CompilerSettings,
): (ingress: Ingress) => Finding {
  return (ingress) => {
    const type = "Programmed";
    if (!isServedHere(ingress, compiler)) {
      const name = compiler.gateway === undefined ? "which has no GATEWAY_NAME" : compiler.gateway;
      const message = `The ingress names other gateways than this one, ${name}.`;
      return { type, status: "False", reason: "OtherGateway", message };
    }
    const [reason] = reconciler.reasons();
    if (!reconciler.programmed || reason !== undefined) {
      const message = reason ?? "Caddy does not run the stored ingresses yet.";
      return { type, status: "False", reason: reconciler.programmed ? "CaddyFails" : "Pending", message };
    }
    for (const { match } of ingress.rules) {
      const error = reconciler.leftOut.get(match.port);
      if (error !== undefined)
        return { type, status: "False", reason: "PortUnavailable", message: error.message };
    }
    return { type, status: "True", reason: "Programmed", message: "Caddy serves every rule." };
  };
}
