import { createHash } from "node:crypto";
import { join } from "node:path";
import type { AccessLogConfig, TracingConfig } from "../caddy-json/config.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import { type Config, Secret } from "../config.ts";

/** The file that Caddy writes the access log to. */
export function accessLogPath({ accessLog, dataDir }: Config): string {
  return accessLog.file ?? join(dataDir, "caddy", "access.log");
}

/** Where the headers of OTLP stand for Caddy. */
export function otlpHeadersPath({ dataDir }: Config): string {
  return join(dataDir, "caddy", "otlp-headers.json");
}

/** The headers of OTLP as Caddy reads them; nothing where there are no traces. */
export function otlpHeaders({ telemetry: { otlp } }: Config): readonly [Secret] | readonly [] {
  if (otlp?.traces === undefined) return [];
  const headers = otlp.headers.map(([name, value]) => [name, value.reveal()] as const);
  return [new Secret(JSON.stringify(Object.fromEntries(headers)))];
}

/** What the compiler renders of the access log and of traces. */
export function observingSettings(
  config: Config,
  current: () => Config = () => config,
): Pick<CompilerSettings, "accessLog" | "tracing"> {
  return { ...accessLog(config), ...tracing(config, current) };
}

function accessLog(config: Config): { readonly accessLog: AccessLogConfig } {
  const { mode, sample, client, query, rollSizeMb, rollKeep, rollKeepDays } = config.accessLog;
  const writer = {
    output: "file",
    filename: accessLogPath(config),
    mode: "0600",
    roll_size_mb: rollSizeMb,
    roll_keep: rollKeep,
    roll_keep_days: rollKeepDays,
    roll_gzip: false,
  } as const;
  return { accessLog: { log: mode, sample, client, ...(query ? { query } : {}), writer } };
}

function tracing(config: Config, current: () => Config): { readonly tracing?: TracingConfig } {
  const { otlp } = config.telemetry;
  if (otlp?.traces === undefined) return {};
  const { sampler, share, trustParents } = otlp.traces;
  return {
    tracing: {
      endpoint: otlp.endpoint,
      protocol: otlp.protocol,
      headers_file: otlpHeadersPath(config),
      get headers_version() {
        return headersVersion(current());
      },
      ...(otlp.caFile === undefined ? {} : { ca_file: otlp.caFile }),
      timeout: `${otlp.timeoutMs}ms`,
      service_name: otlp.serviceName,
      service_instance_id: otlp.instanceId,
      ...(otlp.attributes.length === 0 ? {} : { attributes: Object.fromEntries(otlp.attributes) }),
      sampler,
      ...(sampler.endsWith("traceidratio") ? { sampler_arg: share } : {}),
      ...(trustParents ? { trust_parents: true } : {}),
    },
  };
}

/** With other headers the configuration is another one, so that Caddy takes them. */
function headersVersion(config: Config): string {
  const [headers] = otlpHeaders(config);
  const digest = createHash("sha256").update(headers?.reveal() ?? "");
  return digest.digest("hex").slice(0, HEADERS_VERSION_DIGITS);
}

/** Too few to try guesses by. */
const HEADERS_VERSION_DIGITS = 8;
