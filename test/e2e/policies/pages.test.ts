import { writeFile } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { call, rule } from "../../support/api.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { use } from "../../support/use.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";

const pages = use(async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder.path, "404.html"), "<p>Nobody lives here: {env.HOME}</p>");
  await writeFile(join(folder.path, "5xx.txt"), "Sorry from all of us.");
  await writeFile(join(folder.path, "README.md"), "not a page");
  return folder;
});
const site = usePolicySite(() => ({ ERROR_PAGES_DIR: pages.path }));

describe("maintenance", () => {
  it("answers 503 with its message, but to the exempt", async () => {
    await site.serve("maintenance", {
      maintenance: { message: "Back at {noon}, <b>sorry</b>.", exempt: ["127.0.0.8"] },
    });
    const closed = await site.visit("maintenance", "/", { headers: { accept: "application/json" } });
    expect([closed.status, closed.headers["retry-after"]]).toEqual([503, "60"]);
    expect(closed.body).toEqual({
      code: "service_unavailable",
      ingress: "maintenance",
      message: "Back at {noon}, <b>sorry</b>.",
      request_id: closed.headers["x-request-id"],
    });
    expect((await site.visit("maintenance", "/", { from: "127.0.0.8" })).status).toBe(200);
  });

  it("is switched by a patch", async () => {
    await site.serve("switched", {});
    const rules = [{ ...rule("switched.test", "web", site.backend.port), policies: { maintenance: {} } }];
    await call(`${site.gatewright.url}/ingresses/switched`, { method: "PATCH", body: { rules } });
    expect((await site.visit("switched")).status).toBe(503);
    await call(`${site.gatewright.url}/ingresses/switched`, {
      method: "PATCH",
      body: { rules: [{ ...rules[0], policies: {} }] },
    });
    expect((await site.visit("switched")).status).toBe(200);
  });
});

describe("error pages", () => {
  it("are the ingress's, then those of all, then our own; JSON for clients that prefer it", async () => {
    const dead = { policies: { error_pages: { 502: "<h1>{env.HOME} is resting</h1>" } } };
    await site.servePort("own-page", 1, dead);
    await site.servePort("page-of-all", 1, {});
    await site.serve("no-page", { access: { deny: ["127.0.0.1"] } });
    const own = await site.visit("own-page");
    expect([own.status, own.headers["content-type"], own.text]).toEqual([
      502,
      "text/html; charset=utf-8",
      "<h1>{env.HOME} is resting</h1>",
    ]);
    const all = await site.visit("page-of-all");
    expect([all.status, all.headers["content-type"], all.text]).toEqual([
      502,
      "text/plain; charset=utf-8",
      "Sorry from all of us.",
    ]);
    const json = await site.visit("own-page", "/", { headers: { accept: "application/json" } });
    expect(json.body).toMatchObject({ code: "bad_gateway", ingress: "own-page" });
    expect((await site.visit("no-page")).text).toContain('"no-page"');
    const nobody = await site.visit("nobody");
    expect([nobody.status, nobody.text]).toEqual([404, "<p>Nobody lives here: {env.HOME}</p>"]);
  });

  it("leave the instance's own errors alone", async () => {
    const port = await site.listen(createHttp((_request, response) => response.writeHead(502).end("mine")));
    await site.servePort("passed-on", port, { policies: { error_pages: { 502: "ours" } } });
    expect((await site.visit("passed-on")).text).toBe("mine");
  });
});
