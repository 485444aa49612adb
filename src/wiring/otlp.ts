import { access } from "node:fs/promises";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { RootLogger } from "../log.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";

/**
 * Begins to export where OTEL_ENABLED asks for it, the entries of the log first. OpenTelemetry's packages are loaded only
 * then. Throws `config_invalid` for OTEL_EXPORTER_OTLP_CERTIFICATE.
 */
export async function openOtlp(
  { telemetry: { otlp: settings } }: Config,
  logger: RootLogger,
  version: string,
): Promise<Otlp | undefined> {
  if (settings === undefined) return undefined;
  const { caFile, headers } = settings;
  if (caFile !== undefined) await checkRoot(caFile);
  const { startOtlp } = await import("../telemetry/otlp/otlp.ts");
  const otlp = await startOtlp({
    settings: { ...settings, headers: revealedHeaders(headers) },
    version,
    logger: logger.child("telemetry"),
  });
  logger.copyTo((entry) => otlp.log(entry));
  return otlp;
}

type Headers = NonNullable<Config["telemetry"]["otlp"]>["headers"];

/** The headers as they are sent. */
export function revealedHeaders(headers: Headers): readonly (readonly [name: string, value: string])[] {
  return headers.map(([name, value]) => [name, value.reveal()]);
}

async function checkRoot(path: string): Promise<void> {
  const field = "OTEL_EXPORTER_OTLP_CERTIFICATE";
  await access(path).catch((cause: unknown) => {
    const message = `${field} cannot be read: ${path}; name a PEM file with the receiver's roots`;
    const details = [{ code: "invalid_value", field, message }] as const;
    throw new GatewrightError("config_invalid", message, { details, cause });
  });
}
