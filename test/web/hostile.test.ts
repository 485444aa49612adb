import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { call, rule } from "../support/api.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { listening } from "../support/listening.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

/** Does something when it is taken for markup or for an address. */
const ATTACK = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;

describe.skipIf(!hasBrowser)("what others wrote", () => {
  const gatewright = useGatewright({}, ["web-1"]);
  const browser = use(startBrowser);
  // An instance that answers its health check by an attack.
  const bad = use(() =>
    listening(
      createServer((_request, response) => {
        response.writeHead(500, ATTACK.replace(/[^\x20-\x7e]/g, "")).end(ATTACK);
      }),
    ),
  );

  it("is shown as text, in every place that it comes to", async () => {
    const policies = {
      maintenance: { message: ATTACK },
      error_pages: { "502": ATTACK },
      headers: { request: { set: { "X-A": ATTACK } } },
    };
    await gatewright.make("plain", rule("plain.test", "web-1", 9, {}, { policies }));
    const active = { path: "/", interval: "100ms", unhealthy_threshold: 1 };
    await gatewright.make(
      "sick",
      rule(
        "sick.test",
        "web-1",
        bad.port,
        { headers: { "X-B": ATTACK } },
        { policies: { health_check: { active } } },
      ),
    );
    // Why, in the words of who made the change.
    const changed = await call(`${gatewright.url}/ingresses/plain?message=${encodeURIComponent(ATTACK)}`, {
      method: "PATCH",
      body: { tags: { team: "a+b=c" } },
    });
    expect(changed.status).toBe(200);
    // A line of Caddy's log, in which others' errors stand.
    const line = { level: "warn", ts: 1, logger: "http", msg: `taken? ${ATTACK}`, error: ATTACK };
    await appendFile(join(gatewright.dataDir, "caddy/caddy.log"), `${JSON.stringify(line)}\n`);
    // An authority of such a name has signed what somebody imports.
    const authority = await createTestAuthority("<img src=x onerror=document.title=1>");
    const pair = await authority.issue({ names: ["signed.test"] });
    const imported = await call(`${gatewright.url}/certificates`, {
      body: { name: "signed", certificate_pem: pair.certificate, key_pem: pair.key },
    });
    expect(imported.status, imported.text).toBe(201);
    // A program with such a name has a port that Gatewright may want.
    const squatter = spawn(
      process.execPath,
      [
        "-e",
        `require("net").createServer().listen(${gatewright.ports.https}, "127.0.0.1", () => console.log("up"))`,
      ],
      { argv0: ATTACK.replaceAll("/", ""), stdio: ["ignore", "pipe", "inherit"] },
    );
    await once(squatter.stdout, "data");
    using _ = { [Symbol.dispose]: () => void squatter.kill() };
    const pages = [
      ["", "changed"],
      ["ingresses", "plain"],
      ["ingresses/plain", "maintenance"],
      ["ingresses/plain?tab=events", "onerror"],
      ["ingresses/plain?tab=history", "onerror"],
      ["ingresses/plain?tab=document", "onerror"],
      ["ingresses/sick", "unhealthy"],
      ["edit/plain", "Maintenance"],
      ["edit/plain?as=yaml", "What will happen"],
      ["history", "onerror"],
      ["history/3", "Revision 3"],
      ["events", "onerror"],
      ["log", "onerror"],
      ["doctor", "onerror"],
      ["certificates", "onerror"],
      ["certificates/signed", "onerror"],
      [`explain?url=${encodeURIComponent(`http://plain.test:${gatewright.ports.http}/`)}`, "onerror"],
      // Addresses are somebody's texts too.
      [`ingresses?q=${encodeURIComponent(ATTACK)}`, "No ingress fits."],
      [`explain?url=${encodeURIComponent(ATTACK)}`, "Refused"],
      [`explain?url=${encodeURIComponent("javascript:document.title='taken'")}`, "Refused"],
      [`ingresses/${encodeURIComponent(ATTACK)}`, "There is no such thing"],
    ] as const;
    await using opened = await browser.open(gatewright.url);
    const { page } = opened;
    for (const [path, ready] of pages) {
      await page.goto(`${gatewright.url}/#/${path}`);
      await page.locator("main").getByText(ready).first().waitFor({ state: "attached" });
      expect([path, await page.title()]).not.toEqual([path, "taken"]);
      expect([path, await page.locator("main img, main script").count()]).toEqual([path, 0]);
      const links = (await page.evaluate(
        "[...document.links].map((link) => link.protocol)",
      )) as readonly string[];
      expect([path, links.filter((protocol) => protocol !== "http:" && protocol !== "https:")]).toEqual([
        path,
        [],
      ]);
    }
    opened.expectClean();
  });

  it("cannot be framed, and what is let in from elsewhere is nothing", async () => {
    const { headers } = await call(gatewright.url, { headers: { accept: "text/html" } });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toContain("unsafe");
  });
});
