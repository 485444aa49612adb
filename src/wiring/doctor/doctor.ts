import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../../config.ts";
import type { Finding } from "../../model/api.ts";
import { authorityFindings, cloudflareFindings, secureRules, tlsFindings } from "./certificates.ts";
import { ok, problem, someOf, warning } from "./finding.ts";
import { dataFindings, fileFindings } from "./machine.ts";
import { nameFindings } from "./names.ts";
import { portFindings } from "./ports.ts";
import { caddyProgramFindings, nodeFindings } from "./program.ts";
import { findRunning, processFindings, type Self, servedFindings, tokenFindings } from "./running.ts";
import type { Stored } from "./stored.ts";

export interface DoctorOptions {
  /** The Gatewright of this machine. */
  readonly self: Self;
  readonly stored: Stored;
  /** DNS servers to ask for hostnames, `ip` or `ip:port`. Default: the system's. */
  readonly resolvers?: readonly string[];
  /** Longest time of a check, in milliseconds. Default: 15,000. */
  readonly longestMs?: number;
}

const LONGEST_MS = 15_000;

/**
 * Looks at everything that could keep requests from being served: nothing is changed anywhere, and Gatewright may be running or
 * not. The checks are made at once, and none is waited for longer than `longestMs`.
 */
export async function diagnose(
  config: Config,
  { self, stored, resolvers = [], longestMs = LONGEST_MS }: DoctorOptions,
): Promise<readonly Finding[]> {
  const running = findRunning(config);
  const ours = [...(running.manager === undefined ? [] : [running.manager]), ...running.caddy];
  const { ingresses, tokens, unreadable } = stored;
  const look = (check: Finding["check"], found: Promise<readonly Finding[]>): Promise<readonly Finding[]> =>
    within(check, found, longestMs);
  const secure = secureRules(config, ingresses);
  const [program, data, ...rest] = await Promise.all([
    look("caddy-program", caddyProgramFindings(config)),
    look("data", dataFindings(config)),
    look("files", fileFindings(running.caddy)),
    look("processes", processFindings(config, running)),
    look("served", servedFindings(running, self)),
    look("token", tokenFindings(running, tokens, self)),
    look("ports", portFindings(config, ingresses, ours)),
    look(
      "tls",
      secure.then((rules) => tlsFindings(config, rules)),
    ),
    look("authority", authorityFindings(config)),
    look(
      "cloudflare",
      secure.then((rules) => cloudflareFindings(config, rules)),
    ),
    look("names", nameFindings(config, ingresses, resolvers)),
  ]);
  return [
    ok("settings", `the settings are valid; ${stored.count} ingresses are stored`),
    ...config.warnings.map((message) =>
      warning("settings", message, "docs/configuration.md has every setting"),
    ),
    ...nodeFindings(),
    ...(program ?? []),
    ...(data ?? []),
    ...someOf(
      unreadable.map((name) =>
        problem("data", `${name} cannot be read`, "mend or remove it (docs/storage.md)"),
      ),
    ),
    ...rest.flat(),
  ];
}

/** What a check finds; one that fails or takes too long is a finding too, and the others are told all the same. */
async function within(
  check: Finding["check"],
  found: Promise<readonly Finding[]>,
  longestMs: number,
): Promise<readonly Finding[]> {
  const given = new AbortController();
  const late = sleep(longestMs, undefined, { signal: given.signal }).then(
    () => [warning(check, `looking took longer than ${longestMs / 1000} s`, "look again")],
    () => [],
  );
  try {
    return await Promise.race([found, late]);
  } catch (error) {
    return [problem(check, `this cannot be looked at: ${(error as Error).message}`, "see the message")];
  } finally {
    given.abort();
  }
}
