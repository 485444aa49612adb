import type { LogFields } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import { planTls, type TlsSettings } from "../model/tls-plan.ts";

export interface TlsWarning {
  readonly message: string;
  readonly fields: LogFields;
}

/** More rules than this are counted, not listed. */
const MOST_LISTED = 20;

/** What of the stored ingresses the settings do not let be served with TLS, and what is served without verification. */
export function tlsWarnings(ingresses: Iterable<Ingress>, settings: TlsSettings): readonly TlsWarning[] {
  const warnings: TlsWarning[] = [];
  for (const ingress of ingresses) {
    for (const rule of ingress.rules) {
      const { hostname } = rule.match;
      const plan = rule.tls ? planTls(rule, settings) : undefined;
      if (plan?.kind === "refused") {
        const message = "a rule is not served: the settings do not let it have a certificate";
        warnings.push({ message, fields: { ingress: ingress.name, hostname, reason: plan.reason } });
      }
      if (rule.upstream?.tls?.insecure_skip_verify === true) {
        const message = "a rule takes any certificate of its instance (insecure_skip_verify)";
        warnings.push({ message, fields: { ingress: ingress.name, hostname } });
      }
    }
  }
  const rest = warnings.length - MOST_LISTED;
  if (rest <= 0) return warnings;
  return [
    ...warnings.slice(0, MOST_LISTED),
    { message: "more rules like these are not listed", fields: { rest } },
  ];
}
