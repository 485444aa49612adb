import { Resolver } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import type { Config } from "../../config.ts";
import type { Finding, Ingress } from "../../model/api.ts";
import { planTls } from "../../model/tls-plan.ts";
import { eachInSlices } from "../../util/slices.ts";
import { tlsSettings } from "../compiler-settings.ts";
import { ok, problem, someOf, warning } from "./finding.ts";

/** Names that are asked for; more are counted. */
const MOST_NAMES = 200;
const AT_ONCE = 10;
const TIMEOUT_MS = 2_000;

interface Name {
  readonly hostname: string;
  /** What is asked for: the name, or one that a wildcard takes. */
  readonly asked: string;
  /** An authority asks for the name, too. */
  readonly isOrdered: boolean;
}

type Answer =
  | { readonly addresses: readonly string[] }
  | { readonly refusal: "none" | "silent"; readonly reason: string };

/** Whether the hostnames of ingresses lead to this machine. `servers` are asked; by default the system's. */
export async function nameFindings(
  config: Config,
  ingresses: Iterable<Ingress>,
  servers: readonly string[],
): Promise<readonly Finding[]> {
  const names = await namesOf(config, ingresses);
  if (names.length === 0) return [];
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  if (servers.length > 0) resolver.setServers(servers);
  const asked = names.slice(0, MOST_NAMES);
  const findings: Finding[] = [];
  const own = addresses();
  let here = 0;
  for (let at = 0; at < asked.length; at += AT_ONCE) {
    const answers = await Promise.all(
      asked.slice(at, at + AT_ONCE).map(async (name) => ({ name, answer: await ask(resolver, name.asked) })),
    );
    for (const { answer, name } of answers) {
      if ("refusal" in answer && answer.refusal === "silent")
        return [...someOf(findings), silent(resolver, answer.reason)];
      const finding = findingOf(name, answer, own);
      if (finding === undefined) here += 1;
      else findings.push(finding);
    }
  }
  const more = names.length > asked.length ? `; ${names.length - asked.length} more were not asked for` : "";
  return [
    ...someOf(findings),
    ok("names", `${here} of ${asked.length} hostnames lead to this machine${more}`),
  ];
}

async function namesOf(config: Config, ingresses: Iterable<Ingress>): Promise<readonly Name[]> {
  const settings = tlsSettings(config);
  const names = new Map<string, Name>();
  await eachInSlices(ingresses, ({ rules }) => {
    for (const rule of rules) {
      const { hostname } = rule.match;
      if (hostname === undefined || hostname === "" || hostname === "*") continue;
      const plan = rule.tls === true ? planTls(rule, settings) : undefined;
      const isOrdered = plan?.kind === "managed" && plan.issuer === "acme";
      const asked = hostname.replace(/\{[^}]*\}|\*/g, "gatewright-doctor");
      names.set(hostname, {
        hostname,
        asked,
        isOrdered: isOrdered || names.get(hostname)?.isOrdered === true,
      });
    }
  });
  return [...names.values()];
}

async function ask(resolver: Resolver, name: string): Promise<Answer> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const found = [four, six].flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  if (found.length > 0) return { addresses: found };
  const { reason } = four as PromiseRejectedResult;
  const { code = "error" } = reason as NodeJS.ErrnoException;
  return { refusal: ["ENOTFOUND", "ENODATA"].includes(code) ? "none" : "silent", reason: code };
}

function findingOf(
  { hostname, isOrdered }: Name,
  answer: Answer,
  own: ReadonlySet<string>,
): Finding | undefined {
  if ("refusal" in answer) {
    const tell = isOrdered ? problem : warning;
    const why = isOrdered ? ", so that no authority gives it a certificate" : "";
    return tell("names", `${hostname} has no address in DNS${why}`, "make an A or AAAA record for it");
  }
  const elsewhere = answer.addresses.filter((address) => !own.has(address));
  if (elsewhere.length === 0) return undefined;
  const message = `${hostname} leads to ${elsewhere.join(", ")}, which this machine does not have`;
  return warning(
    "names",
    message,
    "correct its record, unless that is a load balancer or NAT before this machine",
  );
}

function silent(resolver: Resolver, reason: string): Finding {
  const message = `DNS does not answer (${resolver.getServers().join(", ")}: ${reason}): where hostnames lead was not looked at`;
  return warning("names", message, "check /etc/resolv.conf, or name a server by --resolver");
}

function addresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),
  );
}
