import { createAdminClient } from "../../caddy/admin-client.ts";
import { findAll } from "../../caddy/running-caddy.ts";
import type { Config } from "../../config.ts";
import type { Readiness } from "../../manager/ingress-manager.ts";
import type { Finding, ServerStatus } from "../../model/api.ts";
import { folderHolder } from "../../store/folder-lock.ts";
import type { StoredToken } from "../../tokens/stored-token.ts";
import { adminUrlOf } from "../caddy.ts";
import { caddyFolder } from "../compiler-settings.ts";
import { setFolder } from "../set-folder.ts";
import { ok, problem, someOf, warning } from "./finding.ts";

/** What the running Gatewright says of itself. Throws where it does not answer, or refuses. */
export interface Self {
  readonly ready: () => Promise<Pick<Readiness, "ready" | "reasons">>;
  readonly status: () => Promise<Pick<ServerStatus, "problems">>;
}

/** Processes that are ours. */
export interface Running {
  /** The process that has DATA_DIR; undefined where none does. */
  readonly manager: number | undefined;
  readonly caddy: readonly number[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
const SOON_DAYS = 14;

export function findRunning(config: Config): Running {
  return {
    manager: folderHolder(setFolder(config, "ingresses")),
    caddy: findAll({ binary: "", folder: caddyFolder(config) }).map(({ pid }) => pid),
  };
}

/** Whether Gatewright and Caddy run, and Caddy answers. */
export async function processFindings(
  config: Config,
  { caddy, manager }: Running,
): Promise<readonly Finding[]> {
  const who = manager === undefined ? "Gatewright does not run" : `Gatewright runs (${manager})`;
  if (caddy.length === 0) {
    if (manager === undefined) return [ok("processes", `${who}, and neither does Caddy`)];
    const remedy =
      "look at the end of DATA_DIR/caddy/caddy.log and caddy-stderr.log; Gatewright starts it again by itself";
    return [problem("processes", `${who}, and Caddy does not: nothing is served`, remedy)];
  }
  const pids = caddy.join(", ");
  const silence = await adminSilence(config);
  if (silence !== undefined)
    return [
      problem(
        "processes",
        `Caddy (${pids}) does not answer at ${config.caddy.adminAddress}: ${silence}`,
        "restart Gatewright; it replaces a Caddy that is not to be reached",
      ),
    ];
  if (manager === undefined)
    return [
      warning(
        "processes",
        `Caddy (${pids}) serves, and no Gatewright manages it`,
        "start it: `gatewright up`",
      ),
    ];
  return [ok("processes", `${who}, and so does Caddy (${pids})`)];
}

async function adminSilence(config: Config): Promise<string | undefined> {
  const secrets = config.secrets.map((secret) => secret.reveal());
  const client = createAdminClient({ adminUrl: adminUrlOf(config), secrets, folders: [config.dataDir] });
  try {
    await client.running();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.close();
  }
}

/** What the running Gatewright itself says: what keeps it from serving, drift of Caddy included. */
export async function servedFindings({ manager }: Running, self: Self): Promise<readonly Finding[]> {
  if (manager === undefined) return [];
  let said: Awaited<ReturnType<Self["ready"]>>;
  try {
    said = await self.ready();
  } catch (error) {
    return [
      problem(
        "served",
        `the API does not answer: ${(error as Error).message}`,
        "look at Gatewright's log; is --url its address?",
      ),
    ];
  }
  const remedy = "docs/troubleshooting.md goes by symptoms";
  if (said.reasons.length === 0) return [ok("served", "Gatewright is ready, and Caddy runs what is stored")];
  const tell = said.ready ? warning : problem;
  return said.reasons.map((reason) => tell("served", reason, remedy));
}

/** Whether the caller's token is good for the API, and which tokens end soon. */
export async function tokenFindings(
  { manager }: Running,
  tokens: readonly StoredToken[],
  self: Self,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (manager !== undefined)
    try {
      const { problems } = await self.status();
      const count = `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
      findings.push(ok("token", `the API takes this call; ${count} in /status`));
    } catch (error) {
      const remedy = "give one with the scope admin:read by --token or GATEWRIGHT_TOKEN";
      findings.push(
        warning("token", `the token that was given is not enough: ${(error as Error).message}`, remedy),
      );
    }
  const ending: Finding[] = [];
  for (const { expires_at, name } of tokens) {
    const days =
      expires_at === undefined ? Number.POSITIVE_INFINITY : (Date.parse(expires_at) - Date.now()) / DAY_MS;
    if (days < 0 || days > SOON_DAYS) continue;
    ending.push(
      warning(
        "token",
        `token ${name} ends on ${expires_at?.slice(0, 10)}`,
        "make another one: `gatewright token create`",
      ),
    );
  }
  return [...findings, ...someOf(ending)];
}
