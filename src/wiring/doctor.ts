import { readdir, readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { checkCloudflare } from "../certificates/cloudflare-check.ts";
import type { Config } from "../config.ts";
import { isGatewrightError } from "../errors.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import type { Ingress } from "../model/api.ts";
import { planTls } from "../model/tls-plan.ts";
import { admissionSettings } from "./admission-settings.ts";
import { tlsSettings } from "./compiler-settings.ts";
import { checkDataFolder } from "./data-folder.ts";

/** One thing that was looked at. */
export interface Diagnosis {
  readonly verdict: "ok" | "warning" | "failure";
  /** What is so, and what to do where it isn't right. */
  readonly message: string;
}

const TIMEOUT_MS = 10_000;

/**
 * Looks at what certificates take, from the settings and the stored ingresses: nothing is changed anywhere, and
 * Gatewright may be running or not. What a running one has not written out yet is not seen.
 */
export async function diagnose(config: Config): Promise<readonly Diagnosis[]> {
  const { ingresses, unreadable } = await readIngresses(config);
  return [
    { verdict: "ok", message: `settings: valid; data in ${config.dataDir}, ${ingresses.length} ingresses` },
    ...config.warnings.map((message) => ({ verdict: "warning", message: `settings: ${message}` }) as const),
    ...folderDiagnoses(config),
    ...unreadable.map(
      (name) => ({ verdict: "failure", message: `ingress file ${name} cannot be read` }) as const,
    ),
    ...ruleDiagnoses(config, ingresses),
    ...(await authorityDiagnoses(config)),
    ...(await cloudflareDiagnoses(config, ingresses)),
  ];
}

function folderDiagnoses({ dataDir }: Config): readonly Diagnosis[] {
  try {
    checkDataFolder(dataDir);
    return [];
  } catch (error) {
    if (!isGatewrightError(error)) throw error;
    return error.details.map(({ message }) => ({ verdict: "failure", message }));
  }
}

function ruleDiagnoses(config: Config, ingresses: readonly Ingress[]): readonly Diagnosis[] {
  const settings = tlsSettings(config);
  const rules = ingresses.flatMap(({ name, rules }) => rules.map((rule) => ({ name, rule })));
  const secure = rules.filter(({ rule }) => rule.tls);
  const refused = secure.flatMap(({ name, rule }) => {
    const plan = planTls(rule, settings);
    if (plan.kind !== "refused") return [];
    return [
      { verdict: "failure", message: `ingress ${name}, ${rule.match.hostname}: ${plan.reason}` } as const,
    ];
  });
  if (refused.length > 0) return refused;
  if (secure.length > 0) return [{ verdict: "ok", message: `TLS: ${secure.length} rules, all allowed` }];
  const ready = settings.acmeConfigured || settings.issuer === "internal";
  const message = ready ? "TLS: no rules yet" : "TLS: no rules, and ACME is not configured (set ACME_EMAIL)";
  return [{ verdict: "ok", message }];
}

async function authorityDiagnoses({ tls }: Config): Promise<readonly Diagnosis[]> {
  const { acme } = tls;
  if (acme === undefined) return [];
  const root = acme.caRoot === undefined ? undefined : await readFile(acme.caRoot, "utf8").catch(() => "");
  if (root === "") return [{ verdict: "failure", message: `ACME_CA_ROOT: ${acme.caRoot} cannot be read` }];
  return Promise.all(
    [acme.ca, ...(acme.fallback === undefined ? [] : [acme.fallback.ca])].map(async (directory) => {
      const reason = await askDirectory(directory, root);
      if (reason === undefined) return { verdict: "ok", message: `authority: ${directory} answers` } as const;
      return { verdict: "failure", message: `authority: ${directory}: ${reason}` } as const;
    }),
  );
}

/** Why the directory is none, or undefined. */
function askDirectory(directory: string, root: string | undefined): Promise<string | undefined> {
  // Some authorities answer nobody without a name (RFC 8555 section 6.1).
  const headers = { "user-agent": "gatewright-doctor" };
  return new Promise((resolve) => {
    const options = { ...(root === undefined ? {} : { ca: root }), timeout: TIMEOUT_MS, headers };
    const sent = request(directory, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", (error) => resolve(error.message));
      response.on("end", () => resolve(text.includes('"newOrder"') ? undefined : "it is no ACME directory"));
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", (error) => resolve(`${error.message}; check ACME_CA, ACME_CA_ROOT and the network`));
    sent.end();
  });
}

async function cloudflareDiagnoses(
  config: Config,
  ingresses: readonly Ingress[],
): Promise<readonly Diagnosis[]> {
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
  const asked = [...new Set([...names, ...allowed])].sort();
  const { isFit, lines } = await checkCloudflare({
    token: dns.token.reveal(),
    names: asked,
    timeoutMs: TIMEOUT_MS,
  });
  return lines.map((message) => ({ verdict: isFit ? "ok" : "failure", message }) as const);
}

async function readIngresses(
  config: Config,
): Promise<{ readonly ingresses: readonly Ingress[]; readonly unreadable: readonly string[] }> {
  const folder = join(config.dataDir, "ingresses");
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^[^.].*\.json$/.test(name));
  const { ports } = admissionSettings(config);
  const unreadable: string[] = [];
  const ingresses: Ingress[] = [];
  for (const name of names) {
    try {
      ingresses.push(readStoredIngress(JSON.parse(await readFile(join(folder, name), "utf8")), ports));
    } catch {
      unreadable.push(name);
    }
  }
  return { ingresses, unreadable };
}
