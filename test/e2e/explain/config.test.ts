import { describe, expect, it } from "vitest";
import type { RunningConfig } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

/** In every place that can hold a secret there is one with this mark. */
const MARK = "marked-secret-0123456789abcdef-";
const backend = use(() => startBackend("web"));
const gatewright = useGatewright(
  {
    TLS_ISSUER: "internal",
    ACME_EMAIL: "ops@example.com",
    ACME_CA: "https://127.0.0.1:1/directory",
    ACME_DNS_PROVIDER: "cloudflare",
    CLOUDFLARE_API_TOKEN: `${MARK}cloudflare`,
    ACME_EAB_KEY_ID: "key",
    ACME_EAB_HMAC_KEY: Buffer.from(`${MARK}eab`).toString("base64url"),
  },
  ["web"],
);

async function config(query = ""): Promise<{ text: string; body: RunningConfig }> {
  const { status, text, body } = await call<RunningConfig>(`${gatewright.url}/config${query}`);
  expect(status, text).toBe(200);
  return { text, body };
}

describe("GET /config", () => {
  it("shows what runs, without a secret of any place that can hold one", async () => {
    await gatewright.make("secrets", {
      ...rule("secrets.test", "web", backend.port, { headers: { "X-Match": `${MARK}match` } }),
      request_header_auth: { header: "X-Key", value: `${MARK}header` },
      policies: {
        basic_auth: { users: { ann: `$2a$10$${"markedmarkedmarkedmark".padEnd(53, "x")}` } },
        forward_auth: { url: `http://web.hypeman.internal:9000/check?key=${MARK}url` },
        headers: {
          request: { set: { Authorization: `Bearer ${MARK}request` }, add: { "X-Add": `${MARK}add` } },
          response: { set: { "X-Response": `${MARK}response` } },
        },
      },
    });
    const { text, body } = await config();
    expect(text).not.toContain(MARK);
    expect(text).not.toContain("markedmarked");
    expect(text).not.toContain(Buffer.from(MARK).toString("base64url").slice(0, 20));
    expect(text).toContain("[redacted]");
    expect(body.caddy).toHaveProperty("apps.gatewright.resolver");
    expect(body.versions).toMatchObject({ table: expect.stringMatching(/^1-/) });
    const row = body.rows.find((one) => (one as { ingress: string }).ingress === "secrets");
    expect(row).toMatchObject({
      host: "secrets.test",
      headers: { "X-Match": "[redacted]" },
      auth: { header: "X-Key", sha256: "[redacted]" },
      targets: [{ instance: "web", port: backend.port }],
    });
    const { policy } = row as { policy: string };
    expect(JSON.stringify(body.policy_sets[policy])).toContain("gatewright_header_auth");
  });

  it("has the addresses that Caddy knows", async () => {
    await gatewright.make("known", rule("known.test", "web", backend.port));
    await gatewright.visit("known.test");
    const { body } = await config("?ingress=known");
    expect(body.rows).toMatchObject([{ targets: [{ addresses: [`127.0.0.1:${backend.port}`] }] }]);
  });

  it("is of one ingress, or of one hostname", async () => {
    await gatewright.make("one", rule("{x}.one.test", "{x}", backend.port));
    await gatewright.make("two", rule("two.test", "web", backend.port));
    const ingresses = async (query: string) =>
      (await config(query)).body.rows.map((row) => (row as { ingress: string }).ingress);
    expect(await ingresses("?ingress=one")).toEqual(["one"]);
    expect(await ingresses("?hostname=%7By%7D.one.test")).toEqual(["one"]);
    expect(await ingresses("?hostname=nobody.test")).toEqual([]);
    expect((await config("?ingress=two")).body).not.toHaveProperty("caddy");
    expect((await call(`${gatewright.url}/config?ingress=nobody`)).status).toBe(404);
    expect((await call(`${gatewright.url}/config?host=two.test`)).status).toBe(400);
  });
});
