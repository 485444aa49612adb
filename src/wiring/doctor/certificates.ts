import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { checkCloudflare } from "../../certificates/cloudflare-check.ts";
import { apiClaimant } from "../../compiler/api-rows.ts";
import type { Config } from "../../config.ts";
import type { Finding, Ingress } from "../../model/api.ts";
import { planTls } from "../../model/tls-plan.ts";
import { eachInSlices } from "../../util/slices.ts";
import { compilerSettings, tlsSettings } from "../compiler-settings.ts";
import { ok, problem, someOf } from "./finding.ts";
import { skewFindings } from "./machine.ts";

const TIMEOUT_MS = 10_000;
/** The answer's way, and a clock that tells whole seconds. */
const AUTHORITY_SKEW_MS = 60_000;

/** What the rules with TLS ask of the settings. */
interface SecureRules {
  readonly count: number;
  /** Rules that the settings do not allow. */
  readonly refused: readonly Finding[];
  /** Ingresses with the hostname of the API. */
  readonly rivals: readonly string[];
  /** Names that an authority is asked for. */
  readonly ordered: ReadonlySet<string>;
}

export async function secureRules(config: Config, ingresses: Iterable<Ingress>): Promise<SecureRules> {
  const settings = tlsSettings(config);
  const api = apiClaimant(compilerSettings(config))?.rules[0].match.hostname;
  const [refused, rivals, ordered]: [Finding[], string[], Set<string>] = [[], [], new Set()];
  let count = 0;
  await eachInSlices(ingresses, ({ name, rules }) => {
    if (api !== undefined && rules.some(({ match }) => match.hostname === api)) rivals.push(name);
    for (const rule of rules) {
      if (rule.tls !== true) continue;
      count += 1;
      const plan = planTls(rule, settings);
      const message = `ingress ${name}, ${rule.match.hostname}: ${plan.kind === "refused" ? plan.reason : ""}`;
      if (plan.kind === "refused")
        refused.push(problem("tls", message, "change the settings of TLS (docs/tls.md), or the rule"));
      else if (plan.kind === "managed" && plan.issuer === "acme") ordered.add(plan.subject);
    }
  });
  return { count, refused, rivals, ordered };
}

/** Whether the settings allow what the rules ask for. */
export function tlsFindings(config: Config, { count, refused, rivals }: SecureRules): readonly Finding[] {
  return [...ruleFindings(config, count, refused), ...apiFindings(config, rivals)];
}

function ruleFindings(config: Config, count: number, refused: readonly Finding[]): readonly Finding[] {
  if (refused.length > 0) return someOf(refused);
  if (count > 0) return [ok("tls", `${count} rules have TLS, all allowed`)];
  const settings = tlsSettings(config);
  const ready = settings.acmeConfigured || settings.issuer === "internal";
  return [ok("tls", `no rules have TLS yet${ready ? "" : ", and ACME is not configured (set ACME_EMAIL)"}`)];
}

/** Whether API_HOSTNAME can have its certificate, and which ingresses it sets aside. */
function apiFindings(config: Config, rivals: readonly string[]): readonly Finding[] {
  const claimant = apiClaimant(compilerSettings(config));
  if (claimant === undefined) return [];
  const [rule] = claimant.rules;
  const { hostname } = rule.match;
  const plan = rule.tls ? planTls(rule, tlsSettings(config)) : undefined;
  return [
    plan?.kind === "refused"
      ? problem("tls", `API_HOSTNAME ${hostname}: ${plan.reason}`, "change the settings of TLS (docs/tls.md)")
      : ok("tls", `API_HOSTNAME ${hostname} is served ${rule.tls ? "over TLS" : "without TLS"}`),
    ...someOf(
      rivals.map((name) =>
        problem(
          "tls",
          `ingress ${name} has the hostname ${hostname}, which is API_HOSTNAME: it is set aside and not served`,
          "give it another hostname",
        ),
      ),
    ),
  ];
}

/** Whether the authorities answer, and what time it is there. */
export async function authorityFindings({ tls }: Config): Promise<readonly Finding[]> {
  const { acme } = tls;
  if (acme === undefined) return [];
  const root = acme.caRoot === undefined ? undefined : await readFile(acme.caRoot, "utf8").catch(() => "");
  if (root === "")
    return [problem("authority", `ACME_CA_ROOT: ${acme.caRoot} cannot be read`, "give a readable PEM file")];
  const directories = [acme.ca, ...(acme.fallback === undefined ? [] : [acme.fallback.ca])];
  const found = await Promise.all(directories.map((directory) => authorityFinding(directory, root)));
  return found.flat();
}

async function authorityFinding(directory: string, root: string | undefined): Promise<readonly Finding[]> {
  const { date, reason } = await askDirectory(directory, root);
  if (reason !== undefined)
    return [problem("authority", `${directory}: ${reason}`, "check ACME_CA, ACME_CA_ROOT and the network")];
  const skewMs = Date.parse(date ?? "") - Date.now();
  const skew = Number.isNaN(skewMs) ? [] : skewFindings("the authority's", skewMs, AUTHORITY_SKEW_MS);
  return [ok("authority", `${directory} answers`), ...skew];
}

/** What time it is there; why it is no directory, where it is none. */
function askDirectory(
  directory: string,
  root: string | undefined,
): Promise<{ readonly date?: string | undefined; readonly reason?: string | undefined }> {
  // Some authorities answer nobody without a name (RFC 8555 section 6.1).
  const headers = { "user-agent": "gatewright-doctor" };
  return new Promise((resolve) => {
    const options = { ...(root === undefined ? {} : { ca: root }), timeout: TIMEOUT_MS, headers };
    const sent = request(directory, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", ({ message }) => resolve({ reason: message }));
      response.on("end", () =>
        resolve({
          date: response.headers.date,
          reason: text.includes('"newOrder"') ? undefined : "it is no ACME directory",
        }),
      );
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", ({ message }) => resolve({ reason: message }));
    sent.end();
  });
}

/** Whether the DNS provider may be written to. */
export async function cloudflareFindings(
  config: Config,
  { ordered }: SecureRules,
): Promise<readonly Finding[]> {
  const dns = config.tls.acme?.dns;
  if (dns === undefined) return [];
  const allowed = config.tls.allowedDomains.filter((name) => name !== "*");
  const own = config.api.hostname?.tls === true ? [config.api.hostname.name] : [];
  const asked = [...new Set([...ordered, ...allowed, ...own])].sort();
  const { isFit, lines } = await checkCloudflare({
    token: dns.token.reveal(),
    names: asked,
    timeoutMs: TIMEOUT_MS,
  });
  return lines.map((message) => {
    const [what = "", ...remedy] = message.split("; ");
    return isFit
      ? ok("cloudflare", message)
      : problem("cloudflare", what, remedy.join("; ") || "see docs/tls.md");
  });
}
