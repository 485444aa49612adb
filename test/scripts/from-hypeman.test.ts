import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { settingsOf } from "../../scripts/from-hypeman.ts";
import { loadConfig } from "../../src/config.ts";

const yaml = `
port: 8080
data_dir: /var/lib/hypeman
jwt_secret: "a secret with spaces, # and 'quotes' of 32 bytes"
caddy:
  listen_address: 0.0.0.0
  internal_dns_port: 5353
  stop_on_shutdown: false
acme:
  email: ops@example.com
  dns_provider: cloudflare
  cloudflare_api_token: token-0123456789-0123456789-0123456789-01
  allowed_domains: "*.example.com,example.com"
  dns_resolvers: [1.1.1.1, "8.8.8.8:53"]
  ca:
network:
  bridge_name: vmbr0
logging:
  level: debug
`;

it("E14: a YAML file of hypeman's becomes a .env file that means the same here", async () => {
  const text = settingsOf(yaml);
  expect(text).toContain("# network.bridge_name has no meaning for Gatewright\n");
  const folder = await mkdtemp(join(tmpdir(), "gatewright-hypeman-"));
  try {
    const envFile = join(folder, ".env");
    await writeFile(envFile, text);
    const config = loadConfig({}, { envFile });
    expect(config).toMatchObject({
      dataDir: "/var/lib/hypeman",
      api: { port: 8080 },
      dns: { port: 5353 },
      tls: { acme: { email: "ops@example.com" }, allowedDomains: ["*.example.com", "example.com"] },
      log: { level: "debug" },
    });
    expect(config.api.secret?.reveal()).toBe("a secret with spaces, # and 'quotes' of 32 bytes");
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("is run by `npm run from-hypeman`", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-hypeman-"));
  try {
    const file = join(folder, "config.yaml");
    await writeFile(file, yaml);
    const top = join(import.meta.dirname, "../..");
    const args = ["scripts/run.mjs", "scripts/from-hypeman.ts", file];
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: top, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: settingsOf(yaml) });
  } finally {
    await rm(folder, { recursive: true });
  }
});
