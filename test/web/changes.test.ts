import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { call, rule } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

describe.skipIf(!hasBrowser)("changes", () => {
  const backend = use(() => startBackend());
  const gatewright = useGatewright({}, ["web-1", "web-2"]);
  const browser = use(startBrowser);
  const stored = async (name: string): Promise<Ingress> =>
    (await call<Ingress>(`${gatewright.url}/ingresses/${name}`)).body;
  /** The control of a label in the form, and what is said to be wrong with it. */
  const wrong = (page: Page, label: string) =>
    page.locator(".field", { has: page.getByText(label, { exact: true }) }).locator(".field-error");

  it("say beside each field what is wrong with it, and are made when nothing is", async () => {
    await using opened = await browser.open(`${gatewright.url}/#/new`);
    const { page } = opened;
    const create = page.getByRole("button", { name: "Create" });
    const controls = {
      Name: page.getByLabel("Name", { exact: true }).first(),
      Tags: page.getByLabel("Tags"),
      Hostname: page.getByLabel("Hostname"),
      Path: page.getByLabel("Path"),
      Port: page.getByLabel("Port").first(),
    };
    await page.getByRole("combobox", { name: "Name" }).fill("web-1");
    await page.getByLabel("Port").last().fill(String(backend.port));
    await controls.Name.fill("mended");
    await controls.Hostname.fill("mended.test");
    for (const [label, mistake, mended] of [
      ["Name", "Not A Name", "mended"],
      ["Tags", "te<am=x", "team=web"],
      ["Hostname", "bad_host..test", "mended.test"],
      ["Path", "no-slash", "/shop"],
      ["Port", "99999", ""],
    ] as const) {
      await controls[label].fill(mistake);
      await wrong(page, label).first().waitFor();
      expect(await create.getAttribute("aria-disabled")).toBe("true");
      expect(await controls[label].getAttribute("aria-invalid")).toBe("true");
      await controls[label].fill(mended);
      await until(async () => (await wrong(page, label).count()) === 0);
    }
    // Several at once are told at once.
    await controls.Tags.fill("te<am=x");
    await controls.Name.fill("Not A Name");
    for (const label of ["Tags", "Name"]) await wrong(page, label).first().waitFor();
    await controls.Tags.fill("team=web");
    await controls.Name.fill("mended");
    await page.getByText("mended will be created").waitFor();
    await page.getByLabel("Why (kept in the history)").fill("OPS-17");
    await create.click();
    await page.getByRole("heading", { name: "mended", exact: true }).waitFor();
    expect(await stored("mended")).toMatchObject({
      tags: { team: "web" },
      rules: [{ match: { hostname: "mended.test", path: { type: "prefix", value: "/shop" } } }],
    });
    await page.getByRole("link", { name: "Events" }).last().click();
    await page.getByText("“OPS-17”").waitFor();
    opened.expectClean();
  });

  it("have every policy of the schema, with its words", async () => {
    await gatewright.make("policed", rule("policed.test", "web-1", 80));
    await using opened = await browser.open(`${gatewright.url}/#/edit/policed`);
    const { page } = opened;
    const add = page.getByLabel("Add a policy");
    await add.selectOption("policies.rate_limit");
    await page.getByText("Average rate, 0.001 to 100000.").waitFor();
    await page.getByLabel("Requests per second").fill("0");
    await wrong(page, "Requests per second").waitFor();
    await page.getByLabel("Requests per second").fill("25");
    await add.selectOption("policies.access");
    await page.getByLabel("Allow").fill("10.0.0.0/8\n192.168.0.0/16");
    await add.selectOption("policies.compress");
    await add.selectOption("policies.headers");
    await page.getByRole("group", { name: "Response" }).getByLabel("Set").fill("X-Frame-Options: DENY");
    await page.getByText("policed will change").waitFor();
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("heading", { name: "policed", exact: true }).waitFor();
    await page.getByRole("list", { name: "Policies" }).getByText("rate limit").waitFor();
    const [{ policies } = {}] = (await stored("policed")).rules;
    expect(policies).toEqual({
      rate_limit: { requests_per_second: 25 },
      access: { allow: ["10.0.0.0/8", "192.168.0.0/16"] },
      compress: true,
      headers: { response: { set: { "X-Frame-Options": "DENY" } } },
    });
    opened.expectClean();
  });

  it("that conflict lead to the ingress in the way", async () => {
    await gatewright.make("holder", rule("held.test", "web-1", 80));
    await using opened = await browser.open(`${gatewright.url}/#/new`);
    const { page } = opened;
    await page.getByLabel("Name", { exact: true }).first().fill("second");
    await page.getByLabel("Hostname").fill("held.test");
    await page.getByRole("combobox", { name: "Name" }).fill("web-1");
    await page.getByRole("link", { name: "Go to holder" }).first().click();
    await page.getByRole("heading", { name: "holder" }).waitFor();
    opened.expectClean();
  });

  it("of two people lose nothing: the second one sees what the first one did", async () => {
    await gatewright.make("both", rule("both.test", "web-1", 80));
    await using one = await browser.open(`${gatewright.url}/#/edit/both`);
    await using other = await browser.open(`${gatewright.url}/#/edit/both`);
    await one.page.getByLabel("Tags").fill("by=one");
    await other.page.getByLabel("Hostname").fill("other.test");
    await one.page.getByText("both will change").waitFor();
    await other.page.getByText("both will change").waitFor();
    await one.page.getByRole("button", { name: "Apply" }).click();
    await one.page.getByRole("heading", { name: "both", exact: true }).waitFor();

    await other.page.getByText("Somebody else changed it meanwhile.").waitFor();
    const apply = other.page.getByRole("button", { name: "Apply" });
    expect(await apply.getAttribute("aria-disabled")).toBe("true");
    // The plan says what of the first one's would be taken back.
    const asked = Promise.withResolvers<void>();
    await other.page.route("**/plan", async (route) => {
      await asked.promise;
      await route.continue();
    });
    await other.page.getByRole("button", { name: "Keep mine, on theirs" }).click();
    await other.page.getByText("Somebody else changed it meanwhile.").waitFor({ state: "detached" });
    // A plan of before does not show it: nothing is applied until there is another one.
    expect(await apply.getAttribute("aria-disabled")).toBe("true");
    asked.resolve();
    await other.page.getByText(/tag/i).last().waitFor();
    await other.page.getByLabel("Tags").fill("by=one");
    await until(async () => (await apply.getAttribute("aria-disabled")) === "false");
    await apply.click();
    await other.page.getByRole("heading", { name: "both", exact: true }).waitFor();
    expect(await stored("both")).toMatchObject({
      tags: { by: "one" },
      rules: [{ match: { hostname: "other.test" } }],
    });
    one.expectClean();
    other.expectClean();
  });

  it("are written as YAML and JSON, with completion and problems at their lines", async () => {
    await gatewright.make("text", rule("text.test", "web-1", 80));
    await using opened = await browser.open(`${gatewright.url}/#/edit/text?as=yaml`);
    const { page } = opened;
    const text = page.getByRole("textbox", { name: "Document as YAML" });
    await until(async () => (await text.inputValue()).includes("hostname: text.test"));
    await text.press("Control+End");
    await text.pressSequentially("    policies:\nrate_l");
    await page.getByRole("option", { name: "rate_limit" }).waitFor();
    await text.press("Enter");
    await text.pressSequentially("\n  requests_per_second: 0\n");
    await page.locator(".gutter .wrong").first().waitFor();
    expect(await page.locator(".gutter .wrong").first().textContent()).toBe(
      String(
        (await text.inputValue()).split("\n").findIndex((line) => line.includes("requests_per_second")) + 1,
      ),
    );
    await page.getByRole("link", { name: "JSON" }).click();
    const json = page.getByRole("textbox", { name: "Document as JSON" });
    await until(async () => (await json.inputValue()).includes('"requests_per_second": 0'));
    await json.fill(
      (await json.inputValue()).replace('"requests_per_second": 0', '"requests_per_second": 7'),
    );
    await page.getByText("text will change").waitFor();
    await json.fill(`${await json.inputValue()}}`);
    await page.getByText("The text cannot be read yet.").first().waitFor();
    await json.fill((await json.inputValue()).slice(0, -1));
    await page.getByText("text will change").waitFor();
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("heading", { name: "text", exact: true }).waitFor();
    expect((await stored("text")).rules[0]?.policies).toEqual({ rate_limit: { requests_per_second: 7 } });
    opened.expectClean();
  });

  it("are rolled back: one ingress to a version, all to a revision", async () => {
    const { id } = await gatewright.make("back", rule("back.test", "web-1", 80));
    for (const hostname of ["second.test", "third.test"])
      await call(`${gatewright.url}/ingresses/${id}`, {
        method: "PATCH",
        body: { rules: [rule(hostname, "web-1", 80)] },
      });
    await using opened = await browser.open(`${gatewright.url}/#/ingresses/${id}?tab=history`);
    const { page } = opened;
    await page.getByRole("button", { name: "Bring this version back" }).last().click();
    await page.getByText("back will change").waitFor();
    await page.getByRole("button", { name: "Bring it back" }).click();
    await until(async () => (await stored("back")).rules[0]?.match.hostname === "back.test");
    await page.getByText("“back to revision").waitFor();

    await page.getByRole("link", { name: "History", exact: true }).first().click();
    await page.getByRole("link", { name: "back changed" }).nth(1).click();
    await page.getByRole("button", { name: "Roll back to this" }).click();
    await page.getByText("back will change").waitFor();
    await page.getByRole("button", { name: "Roll back", exact: true }).click();
    await until(async () => (await stored("back")).rules[0]?.match.hostname === "third.test");
    opened.expectClean();
  });

  it("drain and pause a target where it is drawn", async () => {
    await gatewright.make("pool", {
      match: { hostname: "pool.test" },
      targets: [
        { instance: "web-1", port: backend.port, weight: 3 },
        { instance: "web-2", port: backend.port },
      ],
    });
    await using opened = await browser.open(`${gatewright.url}/#/ingresses/pool`);
    const { page } = opened;
    await page.getByText("weight 75 %").waitFor();
    await page.getByRole("button", { name: "Drain web-1" }).click();
    await page.getByText("drained", { exact: true }).waitFor();
    expect((await stored("pool")).rules[0]?.targets?.[0]?.mode).toBe("drain");
    await page.getByRole("button", { name: "Resume web-1" }).click();
    await until(async () => (await page.getByText("drained", { exact: true }).count()) === 0);

    // An instance is drained for all that lead to it.
    await page.getByRole("link", { name: "web-2" }).click();
    await page.getByRole("link", { name: "pool" }).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("It has new requests wait").waitFor();
    await page.getByRole("button", { name: "Take requests" }).click();
    await page.getByText("It takes requests.").waitFor();
    opened.expectClean();
  });

  it("delete an ingress after a question, for the version that is shown", async () => {
    await gatewright.make("leaving", rule("leaving.test", "web-1", 80));
    await using opened = await browser.open(`${gatewright.url}/#/ingresses/leaving`);
    const { page } = opened;
    await page.getByRole("button", { name: "Delete" }).click();
    await page
      .getByRole("dialog", { name: "Delete leaving?" })
      .getByRole("button", { name: "Delete" })
      .click();
    await page.getByRole("heading", { name: "Ingresses" }).waitFor();
    expect((await call(`${gatewright.url}/ingresses/leaving`)).status).toBe(404);
    opened.expectClean();
  });
});
