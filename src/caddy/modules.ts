import { GatewrightError } from "../errors.ts";

/** A Caddy module that Gatewright's configurations use. */
export interface CaddyModule {
  readonly id: string;
  /** Go package that registers it. */
  readonly package: string;
  /** Whether nothing works without it; the others only take away the features that need them. */
  readonly required: boolean;
}

/** What a binary has beside Caddy's standard modules, as far as Gatewright uses it. */
export const caddyModules: readonly CaddyModule[] = [
  { id: "gatewright", package: "gatewright.dev/caddy/app", required: true },
  { id: "http.handlers.gatewright", package: "gatewright.dev/caddy/dispatcher", required: true },
  { id: "admin.api.gatewright", package: "gatewright.dev/caddy/app", required: true },
  {
    id: "http.reverse_proxy.upstreams.gatewright",
    package: "gatewright.dev/caddy/upstreams",
    required: true,
  },
  {
    id: "http.reverse_proxy.selection_policies.gatewright",
    package: "gatewright.dev/caddy/upstreams",
    required: true,
  },
  {
    id: "http.reverse_proxy.transport.gatewright",
    package: "gatewright.dev/caddy/transport",
    required: true,
  },
  {
    id: "http.reverse_proxy.transport.gatewright_http",
    package: "gatewright.dev/caddy/transport",
    required: true,
  },
  { id: "http.handlers.gatewright_forwarded", package: "gatewright.dev/caddy/policies", required: true },
  {
    id: "events.handlers.gatewright_certificates",
    package: "gatewright.dev/caddy/certificates",
    required: true,
  },
  { id: "admin.api.gatewright_certificates", package: "gatewright.dev/caddy/certificates", required: true },
  { id: "gatewright_certificates", package: "gatewright.dev/caddy/certificates", required: true },
  { id: "tls.get_certificate.gatewright", package: "gatewright.dev/caddy/certificates", required: true },
  { id: "tls.permission.gatewright_nobody", package: "gatewright.dev/caddy/certificates", required: true },
  { id: "caddy.listeners.gatewright", package: "gatewright.dev/caddy/layer4", required: true },
  { id: "tls.handshake_match.gatewright", package: "gatewright.dev/caddy/handshake", required: false },
  { id: "gatewright_layer4", package: "gatewright.dev/caddy/layer4", required: false },
  { id: "admin.api.gatewright_layer4", package: "gatewright.dev/caddy/layer4", required: false },
  { id: "admin.api.gatewright_explain", package: "gatewright.dev/caddy/explain", required: false },
  { id: "dns.providers.cloudflare", package: "github.com/caddy-dns/cloudflare", required: false },
  { id: "http.handlers.rate_limit", package: "github.com/mholt/caddy-ratelimit", required: false },
];

/** Module ids in the output of `caddy list-modules --json`. Throws `caddy_modules_missing` on other text. */
export function parseModuleList(output: string): readonly string[] {
  try {
    const entries = JSON.parse(output) as readonly { readonly module_name: string }[];
    return entries.map((entry) => entry.module_name).sort();
  } catch (cause) {
    throw new GatewrightError("caddy_modules_missing", "The binary is not a Caddy that lists its modules", {
      cause,
    });
  }
}

/**
 * Throws `caddy_modules_missing`, naming each missing module and the xcaddy line that builds a Caddy with all of them.
 * @param pins version of each Go module, from caddy/go.mod
 */
export function requireModules(
  path: string,
  present: readonly string[],
  required: readonly string[],
  pins: ReadonlyMap<string, string>,
): void {
  const missing = required.filter((id) => !present.includes(id));
  if (missing.length === 0) return;
  throw new GatewrightError(
    "caddy_modules_missing",
    `${path} lacks the Caddy module${missing.length > 1 ? "s" : ""} ${missing.join(", ")}. ` +
      `Build one that has all of them, in this repository's folder: ${xcaddyLine(pins)}. ` +
      "Or unset CADDY_BIN: then Gatewright builds its own with Go.",
    {
      details: missing.map((id) => ({
        code: "caddy_modules_missing",
        message: `module ${id} is missing`,
        field: id,
      })),
    },
  );
}

/** The xcaddy command, run at the top of this repository, that builds a Caddy with every module in `caddyModules`. */
function xcaddyLine(pins: ReadonlyMap<string, string>): string {
  const packages = [...new Set(caddyModules.map((module) => module.package))];
  const withs = packages.map((name) => {
    if (name.startsWith(`${OWN_GO_MODULE}/`)) return `--with ${name}`;
    const version = pins.get(name);
    return `--with ${name}${version === undefined ? "" : `@${version}`}`;
  });
  const caddy = pins.get("github.com/caddyserver/caddy/v2") ?? "";
  return ["xcaddy build", caddy, `--replace ${OWN_GO_MODULE}=./caddy`, ...withs]
    .filter((part) => part !== "")
    .join(" ");
}

const OWN_GO_MODULE = "gatewright.dev/caddy";
