import { writeFile } from "node:fs/promises";
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
