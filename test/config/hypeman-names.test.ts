import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";
import { load } from "./load.ts";

const folder = use(temporaryFolder);

describe("E14: names of hypeman's newer versions", () => {
  test("are read, without a warning", () => {
    const config = load({
      ACME__EMAIL: "ops@example.com",
      ACME__ALLOWED_DOMAINS: "example.com",
      CADDY__INTERNAL_DNS_PORT: "5454",
      CADDY__STOP_ON_SHUTDOWN: "true",
      LOGGING__LEVEL: "debug",
    });
    expect(config).toMatchObject({
      tls: { acme: { email: "ops@example.com" }, allowedDomains: ["example.com"] },
      dns: { port: 5454 },
      caddy: { stopOnShutdown: true },
      log: { level: "debug" },
      warnings: [],
    });
  });

  test("stand behind ours, and before those of the .env file", async () => {
    const envFile = join(folder.path, ".env");
    await writeFile(envFile, "LOG_LEVEL=error\nCADDY__INTERNAL_DNS_PORT=5454\n");
    const environment = {
      LOGGING__LEVEL: "debug",
      ACME__CA: "production",
      ACME_CA: "staging",
      ACME_EMAIL: "a@example.com",
    };
    const config = load(environment, { envFile });
    expect([config.log.level, config.dns.port]).toEqual(["debug", 5454]);
    expect(config.tls.acme?.ca).toContain("staging");
  });

  test("are refused by our name when they are wrong", () => {
    expect(() => load({ CADDY__INTERNAL_DNS_PORT: "x" })).toThrow(/INTERNAL_DNS_PORT=.* must be/);
  });
});
