import type { ExplainQuestion, RehearsedRequest } from "../caddy/caddy-api.ts";
import type { ExplainedConsidered, ExplainedPolicy, ExplainReason, Explanation } from "../model/api.ts";
import { upstreamReason } from "./upstream-reason.ts";

/** How a request ends, and why. */
export type Verdict = Pick<Explanation, "outcome" | "reason" | "message">;

/** In the order in which a request comes by what may lack; the furthest says most. */
const lacks: readonly ExplainedConsidered["lacks"][] = [
  "layer4",
  "tls",
  "plain",
  "listen",
  "path",
  "method",
  "header",
];

const lackReasons: { readonly [lack in ExplainedConsidered["lacks"]]: ExplainReason } = {
  layer4: "protocol",
  tls: "protocol",
  plain: "protocol",
  listen: "listen_address",
  path: "path",
  method: "method",
  header: "header",
};

const lackWords: { readonly [lack in ExplainedConsidered["lacks"]]: string } = {
  layer4: "they take connections, and no requests",
  tls: "they take requests over TLS only",
  plain: "they take requests without TLS only",
  listen: "they are of other listen addresses (listen_address)",
  path: "none has the path",
  method: "none that has the path takes the method",
  header: "none that has the path and the method finds its headers",
};

/** Policies that a verdict may name. */
const policyReasons: ReadonlySet<string> = new Set<ExplainReason>([
  "access",
  "rate_limit",
  "maintenance",
  "request_header_auth",
  "basic_auth",
  "forward_auth",
  "max_request_body",
]);

/** How a rehearsed request ends. */
export function verdictOf(
  asked: ExplainQuestion,
  told: RehearsedRequest,
  policies: readonly ExplainedPolicy[],
): Verdict {
  const { considered, row, served } = told;
  if (!served) return unserved(asked);
  if (row === undefined && considered.length === 0 && told.upstream === undefined)
    return unknownHost(asked, told);
  if (told.tls?.error !== undefined && asked.tls)
    return {
      outcome: "closed",
      reason: told.tls.certificate === undefined ? "no_certificate" : "client_certificate",
      message: `The TLS handshake for ${asked.server_name || "a client that names no host"} fails: ${told.tls.error}.`,
    };
  if (row === undefined) return noRule(asked, told);
  const outcome = row.layer4 === true ? "closed" : "answer";
  const refused = policies.find(({ verdict }) => verdict === "refused");
  if (refused !== undefined && policyReasons.has(refused.policy))
    return {
      outcome,
      reason: refused.policy as ExplainReason,
      message: refusalMessage(refused, row.ingress),
    };
  const upstream = told.upstream === undefined ? undefined : upstreamReason(told.upstream);
  if (upstream !== undefined)
    return { outcome, reason: upstream, message: upstreamMessage(told, row.ingress) };
  if (told.answer === undefined && told.error === undefined)
    return { outcome: "instance", reason: "served", message: `Ingress ${row.ingress} takes it.` };
  return answered(told, row.ingress, outcome);
}

function unserved({ network, port }: ExplainQuestion): Verdict {
  const message = `Nothing listens on port ${port}${network === "udp" ? " of UDP" : ""}.`;
  return { outcome: "unserved", reason: "port_not_served", message };
}

function unknownHost({ host, port, server_name, tls }: ExplainQuestion, told: RehearsedRequest): Verdict {
  // Nothing but the 404 of an HTTP server can be said to a client.
  const closed = told.answer === undefined || (tls && told.tls?.certificate === undefined);
  return {
    outcome: closed ? "closed" : "answer",
    reason: "unknown_hostname",
    message: `No rule on port ${port} has the hostname ${(closed && server_name) || host}.`,
  };
}

function noRule({ host, port }: ExplainQuestion, { considered }: RehearsedRequest): Verdict {
  const furthest = [...considered].sort((one, other) => lacks.indexOf(other.why) - lacks.indexOf(one.why))[0];
  const lack = furthest?.why ?? "path";
  return {
    outcome: "answer",
    reason: lackReasons[lack],
    message: `Of the rules for ${host} on port ${port} none takes it: ${lackWords[lack]}.`,
  };
}

function refusalMessage({ policy, reason, network, limit }: ExplainedPolicy, ingress: string): string {
  const where = network === undefined ? "" : ` (${network})`;
  const used =
    limit === undefined ? "" : ` (${limit.used} of ${limit.events} requests in ${limit.window_seconds} s)`;
  return `The policy ${policy} of ingress ${ingress} refuses it: ${reason ?? "refused"}${where}${used}.`;
}

function upstreamMessage({ upstream, error }: RehearsedRequest, ingress: string): string {
  const named = (upstream?.addresses ?? [])
    .filter(({ state, connection }) => state !== "ready" || connection !== undefined)
    .slice(0, 3)
    .map(({ name, address, reason, connection }) => {
      const at = [name, address].filter((text) => text !== undefined && text !== "").join(" at ");
      return `${at}: ${connection ?? reason ?? ""}`;
    });
  const wait = upstream?.wait_ms === undefined ? "" : ` Requests wait up to ${upstream.wait_ms} ms.`;
  return `No target of ingress ${ingress} takes it: ${error ?? upstream?.error ?? "none"} (${named.join("; ")}).${wait}`;
}

function answered(
  { answer, error, row }: RehearsedRequest,
  ingress: string,
  outcome: "answer" | "closed",
): Verdict {
  const status = answer?.status ?? 0;
  if (answer?.location !== undefined && row?.policy_set === undefined)
    return { outcome, reason: "redirected", message: `Ingress ${ingress} redirects to ${answer.location}.` };
  if (status === 421 || status === 403)
    return {
      outcome,
      reason: "client_certificate",
      message: `Ingress ${ingress} demands more of TLS: ${error}.`,
    };
  if (status === 400)
    return {
      outcome,
      reason: "unclean_path",
      message: `Ingress ${ingress} refuses it: ${error ?? "the path can be read in more than one way"}.`,
    };
  return { outcome, reason: "refused", message: `Ingress ${ingress} answers ${status}: ${error ?? ""}.` };
}
