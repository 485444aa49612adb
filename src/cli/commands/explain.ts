import type { Command } from "commander";
import type { ExplainedFailure, Explanation } from "../../model/api.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { ageOf, endText, pairsOf } from "../words.ts";
import { collect } from "./shared.ts";

interface ExplainOptions {
  readonly method?: string;
  readonly header: readonly string[];
  readonly clientIp?: string;
  readonly sni?: string;
  readonly connect?: boolean;
}

/** `gatewright explain`. */
export function addExplainCommand(program: Command, io: Io): void {
  program
    .command("explain <url>")
    .description("Tell what answer a request would get, and why, without sending it")
    .option("-X, --method <method>", "method of the request")
    .option("-H, --header <name: value>", "header of the request; may be repeated", collect, [])
    .option("--client-ip <address>", "address that the request comes from; default 192.0.2.1")
    .option("--sni <name>", "name in the TLS handshake")
    .option("--connect", "have Caddy connect to the addresses that could take it")
    .action(async (url: string, options: ExplainOptions, command: Command) => {
      const session = new Session(io, command);
      const { clientIp: client_ip, connect, header, method, sni } = options;
      const body = {
        url: url.includes("://") ? url : `http://${url}`,
        ...(method === undefined ? {} : { method }),
        ...(header.length === 0 ? {} : { headers: pairsOf(header, ":") }),
        ...(client_ip === undefined ? {} : { client_ip }),
        ...(sni === undefined ? {} : { sni }),
        ...(connect === undefined ? {} : { connect }),
      };
      const { body: found } = await session.api.call<Explanation>({ method: "POST", path: "/explain", body });
      await session.show(
        found,
        () => explainText(found, client_ip),
        () => found.reason,
      );
    });
}

/** Whom the API takes for the client when a question names none. */
const ASSUMED_CLIENT = "192.0.2.1";

const outcomeWords: { readonly [outcome in Explanation["outcome"]]: string } = {
  instance: "an instance gets it",
  answer: "Gatewright answers",
  closed: "the connection is closed",
  unserved: "nothing listens",
  another_subject: "another subject's rule takes it",
};

/** An explanation from the outcome to its details. */
export function explainText(found: Explanation, client?: string): string {
  const { answer, considered, differences, ingress, targets, tls } = found;
  const lines = [found.message, `outcome  ${outcomeWords[found.outcome]} (${found.reason})`];
  if (ingress !== undefined) lines.push(`rule     ${ingress.name}, rule ${ingress.rule}`);
  if (answer !== undefined)
    lines.push(`answer   ${answer.status}${answer.location === undefined ? "" : ` to ${answer.location}`}`);
  if (tls?.certificate !== undefined)
    lines.push(
      `TLS      ${tls.certificate.names.join(", ")}, by ${tls.certificate.issuer}, until ${endText(tls.certificate.not_after, Date.now())}`,
    );
  if (tls?.error !== undefined) lines.push(`TLS      ${tls.error}`);
  for (const { policy, reason, status, verdict } of found.policies)
    lines.push(
      `policy   ${policy}: ${verdict}${status === undefined ? "" : ` with ${status}`}${reason === undefined ? "" : `, ${reason}`}`,
    );
  if (client === undefined && found.policies.some(({ policy }) => policy === "access"))
    lines.push(`client   ${ASSUMED_CLIENT} is assumed; --client-ip gives another`);
  if (found.forwarded !== undefined)
    lines.push(`forwards ${found.forwarded.method} ${found.forwarded.uri} for ${found.forwarded.host}`);
  for (const { address = "no address", chosen, connection, name, reason, state } of targets?.addresses ?? [])
    lines.push(
      `target   ${name === undefined ? "" : `${name} `}${address}: ${state}${chosen === true ? ", chosen" : ""}${connection === undefined ? "" : `, connection ${connection}`}${reason === undefined ? "" : `, ${reason}`}`,
    );
  if (found.last_failure !== undefined) lines.push(...failureLines(found, found.last_failure));
  if (targets?.error !== undefined) lines.push(`target   ${targets.error}`);
  for (const { hostname, ingress: row, lacks } of considered)
    lines.push(`passed   ${row.name}, rule ${row.rule} (${hostname}): another ${lacks}`);
  for (const { message } of differences) lines.push(`differs  ${message}`);
  for (const { message, reason, type } of found.conditions)
    lines.push(`status   ${type}: ${reason}, ${message}`);
  if (found.nearest_hostnames !== undefined && found.nearest_hostnames.length > 0)
    lines.push(`near     ${found.nearest_hostnames.join(", ")}`);
  return lines.join("\n");
}

/** Requests that failed of late, which a rehearsal alone does not show: it dials nobody. */
function failureLines({ outcome, targets }: Explanation, failure: ExplainedFailure): readonly string[] {
  const { address, at, cause, status, target } = failure;
  const where = [target, address].filter((part) => part !== undefined && part !== "").join(" ");
  const lines = [
    `failed   ${cause}${status === undefined ? "" : ` with ${status}`}${where === "" ? "" : `, ${where}`}, ${ageOf(at)} ago: the last request of the rule that did`,
  ];
  const isDialled = targets?.addresses.some(({ connection }) => connection !== undefined) ?? false;
  if (outcome === "instance" && !isDialled)
    lines.push("hint     --connect tells whether the addresses take connections now");
  return lines;
}
