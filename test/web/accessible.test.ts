import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { rule } from "../support/api.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe finds, in words. The policy of the page lets no script in: this one comes by the browser's own door. */
async function findings(page: Page): Promise<readonly string[]> {
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = (await page.evaluate("axe.run()")) as { readonly violations: readonly Finding[] };
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

/** Each page, and what it has when it is whole. */
const pages: readonly (readonly [path: string, ready: string])[] = [
  ["", "What changed lately"],
  ["ingresses", "3 ingresses"],
  ["ingresses?q=nobody", "No ingress fits."],
  ["ingresses/shop", "Conditions"],
  ["ingresses/shop?tab=events", "ingress shop was created"],
  ["ingresses/shop?tab=history", "Bring this version back"],
  ["ingresses/shop?tab=document", "Edit the document"],
  ["new", "What will happen"],
  ["edit/shop", "Add a policy"],
  ["edit/shop?as=yaml", "What will happen"],
  ["explain?url=http://shop.test", "What the client gets"],
  ["instances", "web-1"],
  ["instances/web-1", "What leads to it"],
  ["certificates", "safe.test"],
  ["certificates/safe.test", "Signed by"],
  ["doctor", "As it should be"],
  ["events", "live"],
  ["history", "shop changed"],
  ["history/2", "Revision 2"],
  ["log", "Text"],
  ["gateways", "this one"],
  ["tokens", "No token was made here yet."],
  ["login", "Token"],
  ["nowhere", "There is no such page."],
];

/** axe takes a second for a page, and others use the machine too. */
const ALL_PAGES_MS = 180_000;

describe.skipIf(!hasBrowser)("everybody can use it", () => {
  const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web-1", "web-2"]);
  const browser = use(startBrowser);
  const made = use(async () => {
    const policies = { rate_limit: { requests_per_second: 5 }, access: { allow: ["10.0.0.0/8"] } };
    const { id } = await gatewright.make("shop", rule("shop.test", "web-1", 9, {}, { policies }));
    await gatewright.make("safe", rule("safe.test", "web-1", 9, {}, { tls: true }));
    await gatewright.make("blog", rule("blog.test", "web-2", 80));
    const body = JSON.stringify({ tags: { team: "web" } });
    await fetch(`${gatewright.url}/ingresses/${id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body,
    });
    await gatewright.visit("shop.test");
    await gatewright.visit("blog.test");
    return { id };
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing on any page, %s",
    { timeout: ALL_PAGES_MS },
    async (scheme) => {
      expect(made.id).not.toBe("");
      const found: { [path: string]: readonly string[] } = {};
      await using opened = await browser.open(gatewright.url, { scheme });
      const { page } = opened;
      for (const [path, ready] of pages) {
        await page.goto(`${gatewright.url}/#/${path}`);
        await page.locator("main").getByText(ready).first().waitFor();
        const all = await findings(page);
        if (all.length > 0) found[path] = all;
      }
      expect(found).toEqual({});
      opened.expectClean();
    },
  );

  it.each([
    ["instances", "New instance"],
    ["certificates", "Import a certificate"],
    ["tokens", "New token"],
    ["ingresses/blog", "Delete"],
  ])("nor in the dialogs: %s", async (path, name) => {
    await using opened = await browser.open(`${gatewright.url}/#/${path}`);
    const { page } = opened;
    await page.getByRole("button", { name }).click();
    await page.getByRole("dialog").waitFor();
    expect(await findings(page)).toEqual([]);
    // Escape closes it, and the focus is where it was.
    await page.keyboard.press("Escape");
    await until(async () => (await page.getByRole("dialog").count()) === 0);
    await until(async () => (await page.evaluate("document.activeElement.textContent")) === name);
    opened.expectClean();
  });

  it("nor at the width of a phone, where nothing is cut off", { timeout: ALL_PAGES_MS }, async () => {
    await using opened = await browser.open(gatewright.url, { phone: true });
    const { page } = opened;
    for (const [path, ready] of pages) {
      await page.goto(`${gatewright.url}/#/${path}`);
      await page.locator("main").getByText(ready).first().waitFor();
      expect([path, await page.evaluate("document.documentElement.scrollWidth <= innerWidth")]).toEqual([
        path,
        true,
      ]);
      expect([path, await findings(page)]).toEqual([path, []]);
    }
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: "Instances" }).click();
    await page.getByRole("heading", { name: "Instances" }).waitFor();
    opened.expectClean();
  });

  it("an ingress is made and rolled back by the keyboard alone", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/ingresses`);
    const { page } = opened;
    const { keyboard } = page;
    /** Tab until the focus is on what is named so, as somebody would who hears the names. */
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let step = 0; step < 80; step++) {
        await keyboard.press("Tab");
        const heard = (await page.evaluate(
          "(() => { const e = document.activeElement; return !e.matches('a, button, input, select') ? '' : [e.getAttribute('aria-label'), e.labels?.[0]?.textContent, e.textContent].filter(Boolean).join(' '); })()",
        )) as string;
        if (name.test(heard)) return;
      }
      throw new Error(`Tab never came to ${name}`);
    };
    await page.getByText("3 ingresses").waitFor();
    await keyboard.press("/");
    await keyboard.type("nobody");
    await page.getByText("No ingress fits.").waitFor();
    await tabTo(/New ingress/);
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "New ingress" }).waitFor();
    await tabTo(/^Name/);
    await keyboard.type("keys");
    await tabTo(/^Hostname/);
    await keyboard.type("keys.test");
    await tabTo(/^Name/);
    await keyboard.type("web-1");
    await page.getByText("keys will be created").waitFor();
    await tabTo(/^Create/);
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "keys", exact: true }).waitFor();
    // The heading of the new page has the focus: what is read is the page.
    expect(await page.evaluate("document.activeElement.textContent")).toBe("keys");

    await page.goto(`${gatewright.url}/#/history`);
    await page.getByRole("link", { name: "blog created" }).waitFor();
    await tabTo(/^blog created/);
    await keyboard.press("Enter");
    await tabTo(/^Roll back to this/);
    await keyboard.press("Enter");
    await page.getByText("keys will be deleted").waitFor();
    await tabTo(/^Roll back$/);
    await keyboard.press("Enter");
    await until(async () => (await fetch(`${gatewright.url}/ingresses/keys`)).status === 404);
    opened.expectClean();
  });
});
