import { describe, expect, it } from "vitest";
import type { Token } from "../../src/model/api.ts";
import { call, rule } from "../support/api.ts";
import { jwtSecret, token } from "../support/authorized.ts";
import { hasBrowser, startBrowser, type TestPage } from "../support/browser.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

describe.skipIf(!hasBrowser)("sessions", () => {
  const gatewright = useGatewright({ JWT_SECRET: jwtSecret });
  const browser = use(startBrowser);

  async function make(body: object): Promise<string> {
    return (await call<Token>(`${gatewright.url}/tokens`, { body, headers: token })).body.token ?? "";
  }

  async function logIn(text: string, path = ""): Promise<TestPage> {
    const opened = await browser.open(`${gatewright.url}/${path}`);
    await opened.page.getByLabel("Token").fill(text);
    await opened.page.getByRole("button", { name: "Log in" }).click();
    return opened;
  }

  it("begin with a token, which the page does not keep, and end with a log-out", async () => {
    await using opened = await logIn("wrong");
    const { page } = opened;
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill(signToken(jwtSecret, { sub: "ann" }));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByText("ann", { exact: true }).waitFor();
    expect(
      await page.evaluate("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"),
    ).toBe("{}{}");
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await page.getByText("Your session has ended").count()).toBe(0);
    opened.expectClean();
  });

  it("that end while the page is open ask for a token, and go on where they were", async () => {
    const text = await make({ name: "short", scopes: ["*"], expires_in: "4s" });
    await using opened = await logIn(text, "#/new");
    const { page } = opened;
    await page.getByLabel("Hostname").fill("begun.test");
    await page.getByText("Your session has ended").waitFor();
    expect(await page.getByLabel("Hostname").isVisible()).toBe(false);
    await page.getByLabel("Token").fill(await make({ name: "again", subject: "short", scopes: ["*"] }));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "New ingress" }).waitFor();
    // What was begun is still there.
    expect(await page.getByLabel("Hostname").inputValue()).toBe("begun.test");
    // Of somebody else nothing is left.
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").fill(signToken(jwtSecret, { sub: "ann" }));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "New ingress" }).waitFor();
    expect(await page.getByLabel("Hostname").inputValue()).toBe("");
    opened.expectClean();
  });

  it("show what a token permits, and why the rest is grey", async () => {
    const text = await make({ name: "reader", scopes: ["ingress:read", "instance:read"] });
    await using opened = await logIn(text, "#/instances");
    const { page } = opened;
    const add = page.getByRole("button", { name: "New instance" });
    await add.waitFor();
    expect(await add.getAttribute("aria-disabled")).toBe("true");
    expect(await add.getAttribute("title")).toBe("Your token lacks the scope instance:write.");
    await add.click({ force: true });
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.getByRole("navigation", { name: "Main" }).getByText("Tokens").waitFor();
    expect(await page.getByRole("link", { name: "Tokens" }).count()).toBe(0);
    opened.expectClean();
  });

  it("of a team with admin:read have an overview of what is its own", async () => {
    const text = await make({ name: "watcher", scopes: ["ingress:read", "admin:read"], limits: {} });
    await using opened = await logIn(text);
    const { page } = opened;
    await page.getByText("No hostname is served yet.").waitFor();
    await page.getByText("What changed lately").waitFor();
    expect(await page.getByText("Requests of the last hour").count()).toBe(0);
    expect(await page.getByRole("link", { name: "Tokens" }).count()).toBe(0);
    opened.expectClean();
  });

  it("of a team see its own ingresses alone", async () => {
    await call(`${gatewright.url}/instances/web-1`, {
      method: "PUT",
      body: { network: { ip: "127.0.0.1" } },
      headers: token,
    });
    const rules = (host: string) => [rule(host, "web-1", 80)];
    await call(`${gatewright.url}/ingresses`, {
      body: { name: "others", rules: rules("others.test") },
      headers: token,
    });
    const text = await make({
      name: "team",
      scopes: ["ingress:read", "ingress:write"],
      limits: { hostnames: ["*.team.test"] },
    });
    await using opened = await logIn(text);
    const { page } = opened;
    await page.getByText("Your token sees your own ingresses.").waitFor();
    await page.getByRole("link", { name: "Ingresses", exact: true }).click();
    await page.getByText("There is no ingress yet.").waitFor();
    await page.getByRole("link", { name: "New ingress" }).click();
    await page.getByLabel("Name", { exact: true }).first().fill("own");
    await page.getByLabel("Hostname").fill("elsewhere.test");
    await page.getByRole("combobox", { name: "Name" }).fill("web-1");
    await page.locator(".field-error").first().waitFor();
    await page.getByLabel("Hostname").fill("a.team.test");
    await page.getByText("own will be created").waitFor();
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "own", exact: true }).waitFor();
    await page.getByRole("link", { name: "Ingresses", exact: true }).first().click();
    await page.getByText("1 ingress", { exact: true }).waitFor();
    expect(await page.getByText("others").count()).toBe(0);
    opened.expectClean();
  });
});
