import type { Config } from "../../config.ts";
import { certificateFindings } from "./certificates.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { dataFindings, fileFindings } from "./machine.ts";
import { nameFindings } from "./names.ts";
import { portFindings } from "./ports.ts";
import { caddyProgramFindings, nodeFindings } from "./program.ts";
import { type Ask, findRunning, processFindings, servedFindings, tokenFindings } from "./running.ts";
import { readStored } from "./stored.ts";

export interface DoctorOptions {
  /** Calls the API of the Gatewright of this machine. */
  readonly ask: Ask;
  /** DNS servers to ask for hostnames, `ip` or `ip:port`. Default: the system's. */
  readonly resolvers?: readonly string[];
}

/**
 * Looks at everything that could keep requests from being served: nothing is changed anywhere, and Gatewright may be running or
 * not.
 */
export async function diagnose(
  config: Config,
  { ask, resolvers = [] }: DoctorOptions,
): Promise<readonly Finding[]> {
  const running = findRunning(config);
  const ours = [...(running.manager === undefined ? [] : [running.manager]), ...running.caddy];
  const stored = await readStored(config);
  const { ingresses, tokens, unreadable } = stored;
  return [
    ok("settings", `the settings are valid; ${ingresses.length} ingresses are stored`),
    ...config.warnings.map((message) =>
      warning("settings", message, "docs/configuration.md has every setting"),
    ),
    ...nodeFindings(),
    ...(await caddyProgramFindings(config)),
    ...(await dataFindings(config)),
    ...unreadable.map((name) =>
      problem("data", `${name} cannot be read`, "mend or remove it (docs/storage.md)"),
    ),
    ...(await fileFindings(running.caddy)),
    ...(await processFindings(config, running)),
    ...(await servedFindings(running, ask)),
    ...(await tokenFindings(running, tokens, ask)),
    ...(await portFindings(config, ingresses, ours)),
    ...(await certificateFindings(config, ingresses)),
    ...(await nameFindings(config, ingresses, resolvers)),
  ];
}
