import type { Environment } from "./read.ts";

/** Keys of hypeman's YAML file, with their sections, and the setting that each is here. Others are hypeman's own. */
export const hypemanKeys: ReadonlyMap<string, string> = new Map([
  ["port", "PORT"],
  ["data_dir", "DATA_DIR"],
  ["jwt_secret", "JWT_SECRET"],
  ["caddy.listen_address", "CADDY_LISTEN_ADDRESS"],
  ["caddy.admin_address", "CADDY_ADMIN_ADDRESS"],
  ["caddy.admin_port", "CADDY_ADMIN_PORT"],
  ["caddy.internal_dns_port", "INTERNAL_DNS_PORT"],
  ["caddy.stop_on_shutdown", "CADDY_STOP_ON_SHUTDOWN"],
  ["acme.email", "ACME_EMAIL"],
  ["acme.dns_provider", "ACME_DNS_PROVIDER"],
  ["acme.ca", "ACME_CA"],
  ["acme.dns_propagation_timeout", "DNS_PROPAGATION_TIMEOUT"],
  ["acme.dns_resolvers", "DNS_RESOLVERS"],
  ["acme.allowed_domains", "TLS_ALLOWED_DOMAINS"],
  ["acme.cloudflare_api_token", "CLOUDFLARE_API_TOKEN"],
  ["api.hostname", "API_HOSTNAME"],
  ["api.tls", "API_TLS"],
  ["api.redirect_http", "API_REDIRECT_HTTP"],
  ["logging.level", "LOG_LEVEL"],
  ["otel.enabled", "OTEL_ENABLED"],
  ["otel.endpoint", "OTEL_ENDPOINT"],
  ["otel.service_name", "OTEL_SERVICE_NAME"],
  ["otel.insecure", "OTEL_INSECURE"],
]);

/**
 * The names that newer versions of hypeman read from the environment, where `ACME__EMAIL` is `acme.email`, and those of
 * OpenTelemetry for what hypeman calls otherwise.
 */
const variables: ReadonlyMap<string, string> = new Map([
  ...[...hypemanKeys]
    .filter(([key]) => key.includes("."))
    .map(([key, setting]) => [key.toUpperCase().replace(".", "__"), setting] as const),
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT"],
  ["OTEL_EXPORTER_OTLP_INSECURE", "OTEL_INSECURE"],
]);

/** Whether hypeman or OpenTelemetry gives the variable a meaning that is read here too. */
export function isHypemanName(name: string): boolean {
  return variables.has(name);
}

/** The environment with settings that are given by hypeman's newer names only; our own names go before them. */
export function withHypemanNames(environment: Environment): Environment {
  const added: { [name: string]: string } = {};
  for (const [name, setting] of variables) {
    const value = environment[name];
    if (value !== undefined && value.trim() !== "" && (environment[setting]?.trim() ?? "") === "")
      added[setting] = value;
  }
  return { ...environment, ...added };
}
