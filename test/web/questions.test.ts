import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Certificate, Token } from "../../src/model/api.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { call, rule } from "../support/api.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

describe.skipIf(!hasBrowser)("questions and answers", () => {
  const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1"]);
  const browser = use(startBrowser);
  const folder = use(temporaryFolder);

  it("why a URL gets a 404: the name is misspelt, and the right one is near", async () => {
    await gatewright.make("shop", rule("shop.test", "web-1", 9));
    await using opened = await browser.open(`${gatewright.url}/#/explain`);
    const { page } = opened;
    await page.getByLabel("URL").fill(`http://shpo.test:${gatewright.ports.http}/`);
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByText("answered with 404 · host").waitFor();
    await page.getByRole("link", { name: "shop.test", exact: true }).click();
    await page.getByRole("link", { name: "shop", exact: true }).waitFor();
    opened.expectClean();
  });

  it("why a URL gets a 502: the instance refuses the connection", async () => {
    const url = `http://shop.test:${gatewright.ports.http}/`;
    // The address of the page has the question.
    await using opened = await browser.open(`${gatewright.url}/#/explain?url=${encodeURIComponent(url)}`);
    const { page } = opened;
    await page.getByText("answered with 502 · refused").waitFor();
    await page.getByText("127.0.0.1:9").first().waitFor();
    await page.getByRole("link", { name: "shop", exact: true }).waitFor();
    opened.expectClean();
  });

  it("certificates are imported by their files, and told why not", async () => {
    const authority = await createTestAuthority();
    const [good, other] = [
      await authority.issue({ names: ["cert.test"] }),
      await authority.issue({ names: ["x.test"] }),
    ];
    const files = ["cert.pem", "cert.key", "other.key"].map((name) => join(folder.path, name));
    const [certificate = "", key = "", otherKey = ""] = files;
    await writeFile(certificate, good.certificate);
    await writeFile(key, good.key);
    await writeFile(otherKey, other.key);
    await using opened = await browser.open(`${gatewright.url}/#/certificates`);
    const { page } = opened;
    await page.getByRole("button", { name: "Import a certificate" }).click();
    const dialog = page.getByRole("dialog", { name: "Import a certificate" });
    await dialog.locator("input[type=file]").setInputFiles([certificate, otherKey]);
    await until(async () =>
      (await dialog.getByLabel("Private key (PEM)").inputValue()).includes("PRIVATE KEY"),
    );
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await dialog.locator(".field-error").waitFor();
    expect((await call<readonly Certificate[]>(`${gatewright.url}/certificates`)).body).toEqual([]);

    await dialog.locator("input[type=file]").setInputFiles([key]);
    await until(
      async () => (await dialog.getByLabel("Private key (PEM)").inputValue()).trim() === good.key.trim(),
    );
    await dialog.getByLabel("Name").fill("wild");
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("named wild").waitFor();
    await page.getByText(/day left|days left/).waitFor();
    // The page holds no key once it is sent.
    expect(await page.content()).not.toContain("PRIVATE KEY");
    opened.expectClean();
  });

  it("certificates are imported by dropping their files, the wrong one and then the right one", async () => {
    const authority = await createTestAuthority();
    const [good, other] = [
      await authority.issue({ names: ["dropped.test"] }),
      await authority.issue({ names: ["y.test"] }),
    ];
    await using opened = await browser.open(`${gatewright.url}/#/certificates`);
    const { page } = opened;
    await page.getByRole("button", { name: "Import a certificate" }).click();
    const dialog = page.getByRole("dialog", { name: "Import a certificate" });
    /** As a browser does when somebody lets go of files over the page. */
    const drop = async (...files: readonly (readonly [name: string, text: string])[]): Promise<void> => {
      const dataTransfer = await page.evaluateHandle(`(() => {
        const transfer = new DataTransfer();
        for (const [name, text] of ${JSON.stringify(files)}) transfer.items.add(new File([text], name));
        return transfer;
      })()`);
      const place = dialog.getByRole("group", { name: "Files" });
      await place.dispatchEvent("dragover", { dataTransfer });
      await place.dispatchEvent("drop", { dataTransfer });
    };
    const key = dialog.getByLabel("Private key (PEM)");
    // In one file, as some authorities send them; the key is another's.
    await drop(["bundle.pem", `${other.key}\n${good.certificate}`]);
    await until(async () => (await key.inputValue()).trim() === other.key.trim());
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await dialog.locator(".field-error").waitFor();
    // What is no PEM is said to be none.
    await drop(["holiday.jpg", "JFIF"]);
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await dialog.locator(".field.wrong", { hasText: "Certificate and chain (PEM)" }).waitFor();
    expect((await call(`${gatewright.url}/certificates/dropped`)).status).toBe(404);

    await drop(["site.crt", good.certificate], ["site.key", good.key]);
    await until(async () => (await key.inputValue()).trim() === good.key.trim());
    await dialog.getByLabel("Name").fill("dropped");
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("named dropped").waitFor();
    await page.getByRole("link", { name: "dropped.test" }).click();
    await page.getByRole("heading", { name: "dropped", exact: true }).waitFor();
    await page.getByText("Signed by").waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Certificates" }).waitFor();
    expect((await call(`${gatewright.url}/certificates/dropped`)).status).toBe(404);
    opened.expectClean();
  });

  it("an ingress shows the certificate of its host", async () => {
    await gatewright.make("secure", rule("secure.test", "web-1", 9, {}, { tls: true }));
    await using opened = await browser.open(`${gatewright.url}/#/ingresses/secure`);
    const section = opened.page.getByRole("region", { name: "Certificate", exact: true });
    await section.getByText("secure.test").waitFor();
    await section.getByText("ready").waitFor();
    opened.expectClean();
  });

  it("tokens are made, shown once, and revoked", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/tokens`);
    const { page } = opened;
    await page.getByRole("button", { name: "New token" }).click();
    const dialog = page.getByRole("dialog", { name: "New token" });
    await dialog.getByLabel("Name").fill("Not A Name");
    await dialog.getByRole("button", { name: "Make it" }).click();
    await dialog.locator(".field-error").first().waitFor();
    await dialog.getByLabel("Name").fill("ci");
    await dialog.getByLabel("Create and change ingresses").check();
    await dialog.getByLabel("For one team").check();
    await dialog.getByLabel("Hostnames that its rules may have").fill("*.ci.test");
    await dialog.getByRole("button", { name: "Make it" }).click();
    const text = await page.locator(".copy code").textContent();
    expect(text).toMatch(/^gw_/);
    const [token] = (await call<readonly Token[]>(`${gatewright.url}/tokens`)).body;
    expect(token).toMatchObject({
      name: "ci",
      scopes: ["ingress:read", "ingress:write"],
      limits: { hostnames: ["*.ci.test"] },
    });
    await page.reload();
    await page.getByText("own ingresses; hostnames: *.ci.test").waitFor();
    expect(await page.content()).not.toContain(text ?? "gw_");
    await page.getByRole("button", { name: "Revoke ci" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("No token was made here yet.").waitFor();
    opened.expectClean();
  });

  it("events come as they happen, by kind, and can be held", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/events`);
    const { page } = opened;
    await page.getByText("live", { exact: true }).waitFor();
    await gatewright.make("fresh", rule("fresh.test", "web-1", 80));
    await page.getByText("ingress fresh was created").waitFor();
    await page.getByLabel("Kind").selectOption("instance");
    await until(async () => (await page.getByText("ingress fresh was created").count()) === 0);
    await page.getByRole("button", { name: "Hold" }).click();
    await gatewright.put("held-1", "127.0.0.1");
    await call(`${gatewright.url}/events?follow=false&type=instance.appeared&instance=held-1`);
    await page.getByRole("button", { name: "Hold" }).click();
    await page.getByRole("link", { name: "held-1" }).waitFor();
    opened.expectClean();
  });

  it("Caddy's log comes as it is written, from a level on, and can be held", async () => {
    const log = join(gatewright.dataDir, "caddy/caddy.log");
    const say = (level: string, msg: string) =>
      appendFile(log, `${JSON.stringify({ level, ts: 1, logger: "http", msg })}\n`);
    await using opened = await browser.open(`${gatewright.url}/#/log`);
    const { page } = opened;
    await page.getByText("live", { exact: true }).waitFor();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await say("warn", "the first of these lines");
    await page.getByText("the first of these lines").waitFor();
    await page.getByRole("button", { name: "Hold" }).click();
    await page.getByText("held", { exact: true }).waitFor();
    await say("error", "the second of these lines");
    await until(async () =>
      (await call(`${gatewright.url}/caddy/log`)).text.includes("the second of these lines"),
    );
    expect(await page.getByText("the second of these lines").count()).toBe(0);
    await page.getByRole("button", { name: "Hold" }).click();
    await page.getByText("the second of these lines").waitFor();
    // It was told, and asked for nothing.
    expect(asked.filter((url) => url.includes("/caddy/log"))).toEqual([]);
    await page.getByLabel("From level").selectOption("error");
    await until(async () => (await page.getByText("the first of these lines").count()) === 0);
    await page.getByLabel("From level").selectOption("info");
    await page.getByLabel("Text").fill("the first");
    await until(async () => (await page.getByText("the second of these lines").count()) === 0);
    await page.getByText("the first of these lines").waitFor();
    opened.expectClean();
  });

  it("the doctor shows what is wrong before what is well, with the remedy, and looks again", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/doctor`);
    const { page } = opened;
    await page.getByRole("heading", { name: "As it should be" }).waitFor();
    const section = page.getByRole("region", { name: "As it should be" });
    await section.getByText("Gatewright is ready, and Caddy runs what is stored").waitFor();
    const body = { name: "short", scopes: ["ingress:read"], expires_in: "24h" };
    expect((await call(`${gatewright.url}/tokens`, { body })).status).toBe(201);
    await page.getByRole("button", { name: "Look again" }).click();
    const warnings = page.getByRole("region", { name: "Warnings" });
    await warnings.getByText("token short ends on").waitFor();
    // What is to be typed stands as code.
    await warnings.locator("code", { hasText: "gatewright token create" }).waitFor();
    const headings = await page.locator("main h2").allTextContents();
    expect(headings.indexOf("Warnings")).toBeLessThan(headings.indexOf("As it should be"));
    opened.expectClean();
  });

  it("lets go of its connection when nobody looks, and takes up what it missed", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/events`);
    const { page } = opened;
    await page.clock.install();
    await page.reload();
    await page.getByText("live", { exact: true }).waitFor();
    const look = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`,
      );
    const ended = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/events"));
    await look(true);
    await page.clock.fastForward(61_000);
    await ended;
    await gatewright.make("unseen", rule("unseen.test", "web-1", 80));
    expect(await page.getByText("ingress unseen was created").count()).toBe(0);
    expect(await page.getByText(/Not connected since/).count()).toBe(0);
    await look(false);
    await page.getByText("ingress unseen was created").waitFor();
    opened.expectClean();
  });

  it("the page says since when it is not connected, and goes on by itself when the API is back", async () => {
    await using opened = await browser.open(gatewright.url);
    const { page } = opened;
    await page.getByText("Requests of the last hour").waitFor();
    await page.getByRole("link", { name: "fresh created" }).waitFor();
    await gatewright.stop();
    await page.getByText(/Not connected since \d/).waitFor();
    // What was known is still there.
    await page.getByRole("link", { name: "fresh created" }).waitFor();
    await gatewright.start();
    await until(async () => (await page.getByText(/Not connected since/).count()) === 0);
    await gatewright.make("after", rule("after.test", "web-1", 80));
    await page.getByRole("link", { name: "after created" }).waitFor();
  });
});
