import type { ExplainQuestion, RehearsedRequest } from "../caddy/caddy-api.ts";
import type { ExplainedPolicy, ExplainReason, Explanation } from "../model/api.ts";
import { API_INGRESS } from "../model/api-ingress.ts";

/** How a request ends, and why. */
export type Verdict = Pick<Explanation, "outcome" | "reason" | "message">;

/** What no rule of the host has, by the word for it. */
const misses: { readonly [reason in ExplainReason]?: string } = {
  path: "none has the path",
  method: "none that has the path takes the method",
  headers: "none that has path and method finds its headers",
  address: "those that fit are of other listen addresses (listen_address)",
  scheme: "those that fit are for https where this is http, or the other way round",
};

/** How a rehearsed request ends. `whose` stands behind rules that there are none of, where not all are told of. */
export function verdictOf(
  asked: ExplainQuestion,
  told: RehearsedRequest,
  policies: readonly ExplainedPolicy[],
  whose = "",
): Verdict {
  const { row } = told;
  if (!told.served) return unserved(asked);
  if (row === undefined && told.considered.length === 0) return unknownHost(asked, told, whose);
  if (told.tls?.error !== undefined && asked.tls)
    return {
      outcome: "closed",
      reason: told.tls.certificate === undefined ? "no_certificate" : "client_certificate",
      message: `The TLS handshake for ${asked.server_name || "a client that names no host"} fails: ${told.tls.error}.`,
    };
  if (row === undefined) return noRule(asked, told, whose);
  const { ingress } = row;
  if (ingress === API_INGRESS && told.cause === undefined && told.answer === undefined)
    return {
      outcome: "instance",
      reason: "served",
      message: "Gatewright's own API answers it (API_HOSTNAME).",
    };
  if (told.cause === undefined && told.answer === undefined)
    return { outcome: "instance", reason: "served", message: `Ingress ${ingress} takes it.` };
  if (told.cause === undefined)
    return {
      outcome: "answer",
      reason: "redirected",
      message: `Ingress ${ingress} redirects to ${told.answer?.location ?? "https"}.`,
    };
  const outcome = row.layer4 === true ? "closed" : "answer";
  const refused = policies.find(({ verdict }) => verdict === "refused");
  const message =
    told.upstream?.error !== undefined || told.upstream?.addresses.some(({ connection }) => connection)
      ? upstreamMessage(told, ingress)
      : refusalMessage(told, refused, ingress);
  return { outcome, reason: told.cause, message };
}

function unserved({ network, port }: ExplainQuestion): Verdict {
  const message = `Nothing listens on port ${port}${network === "udp" ? " of UDP" : ""}.`;
  return { outcome: "unserved", reason: "port", message };
}

function unknownHost(
  { host, port, server_name, tls }: ExplainQuestion,
  told: RehearsedRequest,
  whose: string,
): Verdict {
  // Nothing but the 404 of an HTTP server can be said to a client.
  const closed = told.answer === undefined || (tls && told.tls?.certificate === undefined);
  return {
    outcome: closed ? "closed" : "answer",
    reason: told.cause ?? "host",
    message: `No rule${whose} on port ${port} has the hostname ${(closed && server_name) || host}.`,
  };
}

function noRule(
  { host, port }: ExplainQuestion,
  { cause = "host" }: RehearsedRequest,
  whose: string,
): Verdict {
  const lack = misses[cause] ?? "they are for connections, and not for requests";
  return {
    outcome: "answer",
    reason: cause,
    message: `Of the rules${whose} for ${host} on port ${port} none takes it: ${lack}.`,
  };
}

function refusalMessage(
  { error, cause }: RehearsedRequest,
  refused: ExplainedPolicy | undefined,
  ingress: string,
): string {
  if (refused === undefined)
    return `Ingress ${ingress} refuses it (${cause}): ${error ?? "the path can be read in more than one way"}.`;
  const { policy, reason, network, limit } = refused;
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
  const waitMs = upstream?.wait_ms ?? 0;
  const wait = waitMs === 0 ? "" : ` Requests wait up to ${waitMs / 1000} s.`;
  return `No target of ingress ${ingress} takes it: ${error ?? upstream?.error ?? "none"} (${named.join("; ")}).${wait}`;
}
