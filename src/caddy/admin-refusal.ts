import { GatewrightError } from "../errors.ts";
import type { Scrub } from "./scrub.ts";

/** Characters of Caddy's own text that an error keeps. */
const MAX_TEXT_LENGTH = 500;

/**
 * The error for an answer of Caddy's admin endpoint that is not a success.
 * 400 is a verdict on the configuration, 412 on the version that a delta starts from; whatever else it says,
 * it gave no verdict.
 */
export function refusal(status: number, body: string, scrub: Scrub): GatewrightError {
  const text = caddyText(body);
  if (status === 412) return new GatewrightError("store_conflict", firstLine(scrub(text)));
  if (status === 404 && !body.startsWith("{")) {
    return new GatewrightError(
      "caddy_modules_missing",
      "The running Caddy has no /gatewright endpoint: it is not built from caddy/, or its configuration lacks the app.",
    );
  }
  if (status !== 400) {
    return new GatewrightError("caddy_unavailable", `Caddy answered ${status}: ${firstLine(scrub(text))}`);
  }
  return bindFailure(text) ?? configRefused(text, scrub);
}

/**
 * The listen address that the operating system refused, in the words of Go's net package; undefined when the text
 * is about something else. `details[0].field` is the address, such as `:8443`.
 */
export function bindFailure(text: string): GatewrightError | undefined {
  const match = /listen (?:tcp|udp)[46]? (\S+): bind: (address already in use|permission denied)/.exec(text);
  if (match?.[1] === undefined) return undefined;
  const taken = match[2] === "address already in use";
  const code = taken ? "port_in_use" : "port_not_permitted";
  const port = match[1].slice(match[1].lastIndexOf(":") + 1);
  const message = taken
    ? `port already in use: port ${port} is already bound by another process`
    : `port not permitted: the operating system does not let Caddy listen on port ${port}; ` +
      "use a port above 1023, or give the Caddy binary the capability cap_net_bind_service";
  return new GatewrightError(code, message, { details: [{ code, message, field: match[1] }] });
}

function configRefused(text: string, scrub: Scrub): GatewrightError {
  const reason = firstLine(scrub(text)).replace(/^loading config: /, "");
  return new GatewrightError("config_validation_failed", `config validation failed: ${reason}`);
}

/** Caddy's errors are `{"error": "…"}`; ours may add problems of single rows. */
function caddyText(body: string): string {
  try {
    const parsed = JSON.parse(body) as { readonly error?: unknown; readonly problems?: unknown };
    const problems = Array.isArray(parsed.problems) ? problemText(parsed.problems) : "";
    return typeof parsed.error === "string" ? `${parsed.error}${problems}` : body;
  } catch {
    return body;
  }
}

function problemText(problems: readonly { readonly id?: string; readonly problem?: string }[]): string {
  const shown = problems.slice(0, 3).map(({ id, problem }) => `${id ?? "?"}: ${problem ?? "refused"}`);
  if (shown.length === 0) return "";
  return ` (${shown.join("; ")}${problems.length > shown.length ? `; and ${problems.length - shown.length} more` : ""})`;
}

function firstLine(text: string): string {
  const line = text.trim().split("\n")[0]?.trim() ?? "";
  return line.length > MAX_TEXT_LENGTH ? `${line.slice(0, MAX_TEXT_LENGTH)}…` : line;
}
