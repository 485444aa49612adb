import type { CompilerSettings } from "../../src/compiler/settings.ts";

/** Compiler settings for tests; the golden files were rendered with them. */
export function compilerSettings(changes: Partial<CompilerSettings> = {}): CompilerSettings {
  return {
    listenAddress: "127.0.0.1",
    httpPort: 80,
    httpsPort: 443,
    folder: "/var/lib/gatewright/caddy",
    admin: { listen: "gatewright/127.0.0.1:2019", origins: ["127.0.0.1:2019"] },
    logging: {
      logs: { default: { level: "INFO", writer: { output: "stderr" }, encoder: { format: "json" } } },
    },
    resolver: { address: "127.0.0.1:5353", zone: "hypeman.internal", min_ttl: "30s" },
    guard: {
      deny: ["169.254.0.0/16", "fe80::/10"],
      deny_local_ports: [2019, 8080, 5353],
      allow_loopback: true,
      allow: [],
    },
    timeouts: { readIdle: "30s", writeIdle: "30s", idle: "2m", connect: "3s" },
    tls: {
      acmeConfigured: changes.acme !== undefined,
      dnsChallenge: changes.acme?.dns !== undefined,
      allowedDomains: ["*"],
    },
    ...changes,
  };
}
