import { isIP } from "node:net";
import type { Problem } from "../../errors.ts";
import type { ForwardAuthPolicy, IngressRule } from "../../model/api.ts";
import { durationMs } from "../../model/duration.ts";
import { TOKEN } from "../header-auth.ts";
import { type TargetGuard, targetRefusal } from "../target-guard.ts";
import { quote } from "../wording.ts";
import { connectionHeader } from "./headers.ts";
import { Report } from "./report.ts";

const MAX_TIMEOUT_MS = 300_000;
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/;

export function forwardAuthProblems(policy: ForwardAuthPolicy, report: Report): void {
  const part = "policies.forward_auth";
  const problem = urlProblem(policy.url);
  if (problem !== undefined) report.refuse(`${part}.url`, problem);
  for (const [index, name] of (policy.copy_headers ?? []).entries()) {
    const place = `${part}.copy_headers[${index}]`;
    if (!TOKEN.test(name) || name.includes("*"))
      report.refuse(place, `${quote(name)} is not an HTTP field name`);
    else if (connectionHeader(name)) report.refuse(place, `${quote(name)} belongs to the connection`);
  }
  const timeoutMs = durationMs(policy.timeout ?? "10s");
  if (timeoutMs === undefined || timeoutMs > MAX_TIMEOUT_MS) {
    report.refuse(`${part}.timeout`, "write it as 500ms, 10s or 1m, at most 5m");
  }
}

/**
 * Problems of URLs whose address is known beforehand. A name is checked by Caddy at each dial, by the address that it
 * then has.
 */
export function forwardAuthAddressProblems(
  rules: readonly (IngressRule | undefined)[],
  guard: TargetGuard,
): Problem[] {
  return [...rules.entries()].flatMap(([index, rule]) => {
    const text = rule?.policies?.forward_auth?.url;
    if (text === undefined) return [];
    const url = new URL(text);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
    const address = host === "localhost" || host.endsWith(".localhost") ? "127.0.0.1" : host;
    const refused = isIP(address) === 0 ? undefined : targetRefusal(address, port, guard);
    if (refused === undefined) return [];
    const report = new Report(index);
    report.refuse("policies.forward_auth.url", `port ${port} of ${host} ${refused}`, "target_not_allowed");
    return report.problems;
  });
}

/** The URL is not repeated: its query may hold a key. */
function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return "it is no http or https URL, such as http://auth.example.com:9091/verify";
  }
  // Caddy expands placeholders in a URI and has no escape for them there.
  if (/[{}]/.test(text)) return "leave out { and }, or write them as %7B and %7D";
  if (url.username !== "" || url.password !== "") return "leave out user name and password";
  if (url.port === "0") return "port 0 is none that a server listens on";
  if (url.hash !== "") return "leave out #; a server never gets it";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) !== 0 || DNS_NAME.test(host) ? undefined : `${quote(host)} is no host name or IP address`;
}
