import { describe, expect, it } from "vitest";
import { startBackend } from "../support/backend.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

/** All of it: reading, typing and waiting for what the page says. */
const AT_MOST_MS = 120_000;

describe.skipIf(!hasBrowser)("the first use", () => {
  const backend = use(() => startBackend());
  const gatewright = useGatewright();
  const browser = use(startBrowser);

  it("leads from nothing to a working hostname", async () => {
    const began = performance.now();
    await using opened = await browser.open(gatewright.url);
    const { page } = opened;
    await page.getByText("No hostname is served yet.").waitFor();
    await page.getByRole("link", { name: "Serve the first hostname" }).click();
    await page.getByRole("heading", { name: "New ingress" }).waitFor();

    await page.getByLabel("Name", { exact: true }).first().fill("shop");
    await page.getByLabel("Hostname").fill("shop.test");
    await page.getByRole("combobox", { name: "Name" }).fill("shop-1");
    await page.getByLabel("Port").last().fill(String(backend.port));
    // The instance is not there yet: it is added where it is missed.
    await page.getByLabel("Is shop-1 new? Its IP address").fill("127.0.0.1");
    await page.getByRole("button", { name: "Add the instance" }).click();
    await page.getByText("shop will be created").waitFor();
    await page.getByRole("button", { name: "Create" }).click();

    await page.getByRole("heading", { name: "shop", exact: true }).waitFor();
    await page.getByText("takes requests").waitFor();
    expect(performance.now() - began).toBeLessThan(AT_MOST_MS);
    expect((await gatewright.visit("shop.test")).status).toBe(200);
    // What was asked is seen without a reload.
    await page.getByText("100 % of requests").waitFor();
    opened.expectClean();
  });

  it("shows the overview of what was made, and what came of it", async () => {
    await using opened = await browser.open(gatewright.url);
    const { page } = opened;
    await page.getByText("All is well: 1 ingress served.").waitFor();
    await page.getByRole("link", { name: "shop created" }).waitFor();
    // What somebody else does is seen as it comes.
    await gatewright.make("blog", {
      match: { hostname: "blog.test" },
      target: { instance: "shop-1", port: 80 },
    });
    await page.getByRole("link", { name: "blog created" }).waitFor();
    await page.getByText("All is well: 2 ingresses served.").waitFor();
    await until(async () => (await page.title()) === "Overview · Gatewright");
    opened.expectClean();
  });
});
