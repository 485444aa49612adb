import type { Config } from "../config.ts";
import type { RootLogger } from "../log.ts";
import type { RunningManager } from "../manager/manager.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";
import type { JwtVerifier } from "../tokens/jwt.ts";
import type { Caddy } from "./caddy.ts";
import type { Instances } from "./instances.ts";
import { jwtSecrets } from "./jwts.ts";
import { revealedHeaders } from "./otlp.ts";
import type { SharedStore } from "./shared-store.ts";

/** The settings in force; those that can be renewed are, while Gatewright runs. */
export interface LiveConfig {
  config: Config;
}

/** What takes settings that are new. */
export interface RenewedParts {
  readonly live: LiveConfig;
  readonly logger: RootLogger;
  readonly jwts: JwtVerifier;
  readonly instances: Pick<Instances, "renew">;
  readonly caddy: Pick<Caddy, "renewSecrets">;
  readonly manager: Pick<RunningManager, "tls">;
  readonly otlp: Pick<Otlp, "renewHeaders"> | undefined;
  readonly shared: Pick<SharedStore, "renew"> | undefined;
}

/** Secrets that their parts take while they run. */
const renewable = new Set([
  "JWT_SECRET",
  "JWT_SECRET_PREVIOUS",
  "HYPEMAN_TOKEN",
  "CLOUDFLARE_API_TOKEN",
  "ACME_EAB_HMAC_KEY",
  "ACME_FALLBACK_EAB_HMAC_KEY",
  "ETCD_PASSWORD",
  "STORE_KEY",
  "OTEL_EXPORTER_OTLP_HEADERS",
]);

/**
 * Has the secrets and log levels of other settings be taken, and says which of the rest take a restart. Settings that would open
 * the API are not taken: a key that has got lost must not be what lets everybody in.
 */
export async function renewSettings(next: Config, parts: RenewedParts): Promise<void> {
  const { caddy, instances, jwts, live, logger, manager, otlp, shared } = parts;
  const before = live.config;
  if (before.api.secret !== undefined && next.api.secret === undefined) {
    logger.error(
      "the settings were not read again: without JWT_SECRET the API would be open; a restart does that",
    );
    return;
  }
  // The rest stays as it was at the start, which is what takes a restart.
  live.config = {
    ...before,
    tls: next.tls,
    telemetry: renewedTelemetry(before, next),
    store: renewedStore(before, next),
  };
  logger.setLevels(next.log);
  jwts.renew(jwtSecrets(next.api));
  instances.renew?.(next);
  shared?.renew(live.config);
  const { otlp: exported } = live.config.telemetry;
  if (exported !== undefined) await otlp?.renewHeaders(revealedHeaders(exported.headers));
  if (await caddy.renewSecrets(live.config, next.secrets)) await manager.tls.reload();
  const restart = differing(before, next).filter(
    (name) => !renewable.has(name) && !name.startsWith("LOG_LEVEL"),
  );
  logger.info("the settings were read again");
  if (restart.length > 0)
    logger.warn("some settings that have changed take a restart", { settings: restart });
}

/** Other headers; the rest of OTLP is what it was started with. */
function renewedTelemetry({ telemetry: before }: Config, { telemetry: next }: Config): Config["telemetry"] {
  if (before.otlp === undefined || next.otlp === undefined) return before;
  return { ...before, otlp: { ...before.otlp, headers: next.otlp.headers } };
}

/** Another password and other keys; the same etcd. */
function renewedStore({ store: before }: Config, { store: next }: Config): Config["store"] {
  if (before.kind !== "etcd" || next.kind !== "etcd") return before;
  const hasPassword = before.password !== undefined && next.password !== undefined;
  return { ...before, keys: next.keys, ...(hasPassword ? { password: next.password } : {}) };
}

/** Names of settings that were given otherwise before. */
function differing(before: Config, next: Config): readonly string[] {
  const names = new Set([...Object.keys(before.given), ...Object.keys(next.given)]);
  const value = ({ given, namedSecrets }: Config, name: string) =>
    namedSecrets[name]?.reveal() ?? given[name];
  return [...names].filter((name) => value(before, name) !== value(next, name)).sort();
}
