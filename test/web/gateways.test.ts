import { describe, expect, it } from "vitest";
import { rule } from "../support/api.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { startEtcd } from "../support/etcd.ts";
import { type Gateway, startGateways } from "../support/gateways.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

describe.skipIf(!hasBrowser)("gateways that share a store", () => {
  const etcd = use(() => startEtcd());
  const gateways = use(() => startGateways(etcd.endpoints, ["one", "two"]));
  const browser = use(startBrowser);

  it("are shown with what each serves, and one that goes is not", async () => {
    const [one, two] = [gateways[0] as Gateway, gateways[1] as Gateway];
    await using opened = await browser.open(`${one.url}/#/gateways`);
    const { page } = opened;
    const item = (name: string) => page.locator(".gateways li", { hasText: name });
    await item("one (this one)").getByText("serves", { exact: true }).waitFor();
    await item("two").getByText("serves", { exact: true }).waitFor();
    // What the other takes is served by both, and stands on both pages.
    const made = await two.create({ name: "shared", rules: [rule("shared.test", "vm", 9)] });
    expect(made.status, made.text).toBe(201);
    await until(async () => {
      await page.reload();
      await item("one (this one)").waitFor();
      return (await page.getByText(/serves revision [1-9]/).count()) === 2;
    });
    await page.getByRole("link", { name: "Ingresses", exact: true }).click();
    await page.getByRole("link", { name: "shared", exact: true }).waitFor();
    await two.stop();
    await page.getByRole("link", { name: "Gateways", exact: true }).click();
    await until(async () => {
      await page.reload();
      await item("one (this one)").waitFor();
      return (await page.locator(".gateways li").count()) === 1;
    });
    opened.expectClean();
  });
});
