import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkCloudflare } from "../../src/certificates/cloudflare-check.ts";
import { cloudflareToken, startTlsWorld, type TlsWorld } from "../support/acme/tls-world.ts";
import { freePort } from "../support/free-port.ts";

const script = join(import.meta.dirname, "../../bin/gatewright.mjs");
let world: TlsWorld;
let dataDir: string;

beforeAll(async () => {
  world = await startTlsWorld();
  dataDir = await mkdtemp(join(tmpdir(), "gatewright-doctor-"));
}, 120_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

async function doctor(
  changes: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number; readonly text: string }> {
  // The usual ones may be another test's just now.
  const ports = ["PORT", "HTTP_PORT", "HTTPS_PORT", "INTERNAL_DNS_PORT"].map(
    async (name) => [name, String(await freePort())] as const,
  );
  const env = {
    ...Object.fromEntries(await Promise.all(ports)),
    PATH: process.env["PATH"],
    HOME: dataDir,
    DATA_DIR: dataDir,
    ...world.dnsChallenge,
    ...changes,
  };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, "doctor", "--resolver", "127.0.0.1:9"],
      { env, cwd: dataDir },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, text: stdout + stderr }),
    );
  });
}

const check = (names: readonly string[], token = cloudflareToken) =>
  checkCloudflare({ token, names, baseUrl: world.cloudflare.apiUrl });

describe("the check of Cloudflare", () => {
  it("finds the zone of every name and the permission to edit it", async () => {
    expect(await check(["shop.example.test", "*.dev.example.test", "example.test"])).toEqual({
      isFit: true,
      lines: ["Cloudflare: the token is active and sees 1 zone", "zone example.test: found"],
    });
  });

  it("names what no zone covers", async () => {
    const { isFit, lines } = await check(["a.elsewhere.test"]);
    expect(isFit).toBe(false);
    expect(lines.join()).toContain("a.elsewhere.test: the token sees no zone for it");
  });

  it("names a token that is refused, without repeating it", async () => {
    const wrong = "wrong_token_0123456789_0123456789_0123456789";
    const { isFit, lines } = await check(["shop.example.test"], wrong);
    expect(isFit).toBe(false);
    expect(lines.join()).toContain("the token is refused; check CLOUDFLARE_API_TOKEN");
    expect(lines.join()).not.toContain(wrong);
  });

  it("names a zone whose records the token may not edit", async () => {
    world.cloudflare.mayEdit = false;
    const { isFit, lines } = await check(["shop.example.test"]);
    world.cloudflare.mayEdit = true;
    expect(isFit).toBe(false);
    expect(lines.join()).toContain("give it DNS:Edit");
  });

  it("says when Cloudflare does not answer", async () => {
    const { isFit, lines } = await checkCloudflare({
      token: cloudflareToken,
      names: ["a.test"],
      baseUrl: "http://127.0.0.1:9/client/v4",
      timeoutMs: 500,
    });
    expect(isFit).toBe(false);
    expect(lines.join()).toContain("could not be asked");
  });
});

describe("the doctor", () => {
  it("finds nothing wrong where nothing is", async () => {
    const { code, text } = await doctor();
    expect(text).toContain(`✓ authority: ${world.pebble.directory} answers`);
    expect(text).toContain("✓ cloudflare: zone example.test: found");
    expect({ code, text }).toEqual({ code: 0, text: expect.not.stringContaining("✗") });
  });

  it("fails with every reason, and without the token", async () => {
    const token = "another_token_0123456789_0123456789_0123456789";
    const changes = { CLOUDFLARE_API_TOKEN: token, ACME_CA: "https://127.0.0.1:9/dir" };
    const { code, text } = await doctor(changes);
    expect(code).toBe(1);
    expect(text).toContain("✗ authority: https://127.0.0.1:9/dir: ");
    expect(text).toContain("✗ cloudflare: Cloudflare: the token is refused");
    expect(text).not.toContain(token);
  });

  it("says what is wrong with settings", async () => {
    const { code, text } = await doctor({ CLOUDFLARE_API_TOKEN: "{env.TOKEN}" });
    expect(code).toBe(2);
    expect(text).toContain("CLOUDFLARE_API_TOKEN is not an API token");
  });
});
