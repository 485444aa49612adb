import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { call, rule } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { hasBrowser, type OpenOptions, startBrowser, type TestPage } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

const folder = join(import.meta.dirname, "../../docs/images");
const MOST_BYTES = 100_000;
/** `UPDATE_PICTURES=1` writes them. */
const isWritten = process.env["UPDATE_PICTURES"] === "1";

describe.skipIf(!hasBrowser)("the pictures of docs/dashboard.md", () => {
  const backend = use(() => startBackend());
  const gatewright = useGatewright({ TLS_ISSUER: "internal" }, [
    "shop-1",
    "shop-2",
    "cart-1",
    "blog-1",
    "ldap-1",
  ]);
  const browser = use(startBrowser);
  const taken = new Set<string>();
  const site = use(async () => {
    const port = backend.port;
    const pool = (one: number, other: number) => [
      { instance: "shop-1", port, weight: one },
      { instance: "shop-2", port, weight: other },
    ];
    const policies = { rate_limit: { requests_per_second: 50 }, compress: true };
    await gatewright.make(
      "shop",
      {
        match: { hostname: "shop.example.com" },
        targets: pool(3, 1),
        tls: true,
        redirect_http: true,
        policies: { ...policies, health_check: { active: { path: "/healthz" } } },
      },
      rule(
        "shop.example.com",
        "cart-1",
        port,
        { path: { type: "prefix", value: "/cart" } },
        { tls: true, policies: { access: { allow: ["10.0.0.0/8"] } } },
      ),
    );
    await gatewright.make("blog", {
      match: { hostname: "blog.example.com" },
      targets: [
        { instance: "blog-1", port, weight: 2 },
        { instance: "shop-2", port },
      ],
    });
    await gatewright.make("status", rule("status.example.com", "blog-1", port));
    await gatewright.make("directory", rule("directory.example.com", "ldap-1", 9));
    const body = { tags: { team: "web", stage: "prod" } };
    await call(
      `${gatewright.url}/ingresses/shop?message=${encodeURIComponent("OPS-17: tags for the report")}`,
      { method: "PATCH", body },
    );
    const authority = await createTestAuthority("Example CA");
    const pair = await authority.issue({
      names: ["intranet.example.com"],
      notAfter: new Date(Date.now() + 9 * 86_400_000),
    });
    await call(`${gatewright.url}/certificates`, {
      body: { name: "intranet", certificate_pem: pair.certificate, key_pem: pair.key },
    });
    for (let count = 0; count < 60; count++) await gatewright.visit("blog.example.com");
    for (let count = 0; count < 2; count++) await gatewright.visit("directory.example.com");
    return { made: true };
  });

  async function open(path: string, options: OpenOptions = {}): Promise<TestPage> {
    expect(site.made).toBe(true);
    const opened = await browser.open("about:blank", options);
    if (options.phone !== true) await opened.page.setViewportSize({ width: 1080, height: 620 });
    // An hour of requests takes an hour: that of the picture is made up.
    await opened.page.route("**/traffic", async (route) => {
      if (!route.request().url().endsWith(`${gatewright.ports.api}/traffic`)) return route.continue();
      const start = Date.now() - 3_600_000;
      const minutes = Array.from({ length: 61 }, (_, minute) => ({
        at: new Date(start + minute * 60_000).toISOString(),
        requests: Math.round(5_200 + 1_900 * Math.sin(minute / 9) + 600 * Math.sin(minute * 1.7)),
        errors: minute > 38 && minute < 46 ? 700 - 80 * Math.abs(42 - minute) : minute % 7,
      }));
      await route.fulfill({ json: { minutes } });
    });
    await opened.page.goto(`${gatewright.url}/#/${path}`);
    return opened;
  }

  async function take({ page }: TestPage, name: string): Promise<void> {
    taken.add(`${name}.png`);
    await page.mouse.move(0, 0);
    await page.evaluate("scrollTo(0, 0)");
    const picture = await page.screenshot({ animations: "disabled" });
    expect([name, picture.length < MOST_BYTES]).toEqual([name, true]);
    if (!isWritten) return;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${name}.png`), picture);
  }

  it.each([
    ["dashboard-overview", {}],
    ["dashboard-overview-dark", { scheme: "dark" }],
    ["dashboard-overview-phone", { phone: true }],
  ] as const)("%s", async (name, options) => {
    await using opened = await open("", options);
    await opened.page.getByText("What changed lately").waitFor();
    await opened.page.locator(".chart canvas").waitFor();
    await opened.page.getByText("intranet.example.com").waitFor();
    await take(opened, name);
    opened.expectClean();
  });

  it.each([
    ["dashboard-ingress", {}],
    ["dashboard-ingress-phone", { phone: true }],
  ] as const)("%s", async (name, options) => {
    await using opened = await open("ingresses/blog", options);
    await opened.page.getByText("of requests").first().waitFor();
    await opened.page.getByText("95 % within").first().waitFor();
    await take(opened, name);
    opened.expectClean();
  });

  it("dashboard-ingresses", async () => {
    await using opened = await open("ingresses");
    await opened.page.getByText("4 ingresses").waitFor();
    await take(opened, "dashboard-ingresses");
    opened.expectClean();
  });

  it("dashboard-edit: the plan beside the form", async () => {
    await using opened = await open("edit/shop");
    const { page } = opened;
    await page.getByLabel("Requests per second").first().fill("80");
    await page.getByLabel("Why (kept in the history)").fill("OPS-21");
    await page.getByText("shop will change").waitFor();
    await take(opened, "dashboard-edit");
    opened.expectClean();
  });

  it("dashboard-editor: the document with completion, in the dark", async () => {
    await using opened = await open("edit/blog?as=yaml", { scheme: "dark" });
    const { page } = opened;
    const text = page.getByRole("textbox", { name: "Document as YAML" });
    await until(async () => (await text.inputValue()).includes("blog.example.com"));
    await text.press("Control+End");
    await text.pressSequentially("    policies:\nr");
    await page.getByRole("option").first().waitFor();
    await take(opened, "dashboard-editor");
    opened.expectClean();
  });

  it("dashboard-explain: a 502", async () => {
    const url = `http://directory.example.com:${gatewright.ports.http}/people`;
    await using opened = await open(`explain?url=${encodeURIComponent(url)}`);
    await opened.page.getByText("What the client gets").waitFor();
    await take(opened, "dashboard-explain");
    opened.expectClean();
  });

  afterAll(async () => {
    // Each is there, is small, and none is left over.
    const present = (await readdir(folder)).filter((name) => name.startsWith("dashboard-"));
    expect(present.sort()).toEqual([...taken].sort());
    for (const name of present) expect((await stat(join(folder, name))).size).toBeLessThan(MOST_BYTES);
  });
});
