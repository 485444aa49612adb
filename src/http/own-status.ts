import { problemsOf } from "../certificates/report.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Certificate, ServerStatus } from "../model/api.ts";
import type { Own } from "./own.ts";

/** The status as it is for a caller with limits: counts and problems of what is theirs. `manager` is that of the caller. */
export function ownStatus(
  { uptime_seconds, version }: ServerStatus,
  certificates: readonly Certificate[],
  own: Own,
  manager: Pick<IngressManager, "ready">,
): ServerStatus {
  const counts = { ready: 0, pending: 0, failed: 0, expired: 0, idle: 0, expiring: 0 };
  const taken = certificates.flatMap((one) => own.certificate(one) ?? []);
  for (const { expires_soon, state } of taken) {
    counts[state] += 1;
    if (expires_soon === true) counts.expiring += 1;
  }
  const problems = [...manager.ready().reasons, ...problemsOf(taken)];
  return {
    status: problems.length === 0 ? "ok" : "degraded",
    version,
    uptime_seconds,
    ingresses: own.size,
    certificates: counts,
    draining: [],
    problems,
  };
}
