import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { checkCloudflare } from "../../certificates/cloudflare-check.ts";
import { apiClaimant } from "../../compiler/api-rows.ts";
import type { Config } from "../../config.ts";
import type { Ingress } from "../../model/api.ts";
import { planTls } from "../../model/tls-plan.ts";
import { compilerSettings, tlsSettings } from "../compiler-settings.ts";
import { type Finding, ok, problem } from "./finding.ts";
import { skewFindings } from "./machine.ts";

const TIMEOUT_MS = 10_000;
/** The answer's way, and a clock that tells whole seconds. */
const AUTHORITY_SKEW_MS = 60_000;

/** What certificates take: the settings, an authority that answers, and a DNS provider that may be written to. */
export async function certificateFindings(
  config: Config,
  ingresses: readonly Ingress[],
): Promise<readonly Finding[]> {
  return [
    ...ruleFindings(config, ingresses),
    ...apiFindings(config, ingresses),
    ...(await authorityFindings(config)),
    ...(await cloudflareFindings(config, ingresses)),
  ];
}

function ruleFindings(config: Config, ingresses: readonly Ingress[]): readonly Finding[] {
  const settings = tlsSettings(config);
  const rules = ingresses.flatMap(({ name, rules }) => rules.map((rule) => ({ name, rule })));
  const secure = rules.filter(({ rule }) => rule.tls);
  const refused = secure.flatMap(({ name, rule }) => {
    const plan = planTls(rule, settings);
    if (plan.kind !== "refused") return [];
    const message = `ingress ${name}, ${rule.match.hostname}: ${plan.reason}`;
    return [problem("tls", message, "change the settings of TLS (docs/tls.md), or the rule")];
  });
  if (refused.length > 0) return refused;
  if (secure.length > 0) return [ok("tls", `${secure.length} rules have TLS, all allowed`)];
  const ready = settings.acmeConfigured || settings.issuer === "internal";
  return [ok("tls", `no rules have TLS yet${ready ? "" : ", and ACME is not configured (set ACME_EMAIL)"}`)];
}

/** Whether API_HOSTNAME can have its certificate, and which ingresses it sets aside. */
function apiFindings(config: Config, ingresses: readonly Ingress[]): readonly Finding[] {
  const claimant = apiClaimant(compilerSettings(config));
  if (claimant === undefined) return [];
  const [rule] = claimant.rules;
  const { hostname } = rule.match;
  const plan = rule.tls ? planTls(rule, tlsSettings(config)) : undefined;
  const rivals = ingresses.filter(({ rules }) => rules.some(({ match }) => match.hostname === hostname));
  return [
    plan?.kind === "refused"
      ? problem("tls", `API_HOSTNAME ${hostname}: ${plan.reason}`, "change the settings of TLS (docs/tls.md)")
      : ok("tls", `API_HOSTNAME ${hostname} is served ${rule.tls ? "over TLS" : "without TLS"}`),
    ...rivals.map(({ name }) =>
      problem(
        "tls",
        `ingress ${name} has the hostname ${hostname}, which is API_HOSTNAME: it is set aside and not served`,
        "give it another hostname",
      ),
    ),
  ];
}

async function authorityFindings({ tls }: Config): Promise<readonly Finding[]> {
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

async function cloudflareFindings(
  config: Config,
  ingresses: readonly Ingress[],
): Promise<readonly Finding[]> {
  const dns = config.tls.acme?.dns;
  if (dns === undefined) return [];
  const settings = tlsSettings(config);
  const names = ingresses.flatMap(({ rules }) =>
    rules.flatMap((rule) => {
      const plan = rule.tls ? planTls(rule, settings) : undefined;
      return plan?.kind === "managed" && plan.issuer === "acme" ? [plan.subject] : [];
    }),
  );
  const allowed = config.tls.allowedDomains.filter((name) => name !== "*");
  const own = config.api.hostname?.tls === true ? [config.api.hostname.name] : [];
  const asked = [...new Set([...names, ...allowed, ...own])].sort();
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
