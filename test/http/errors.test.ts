import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import type { HttpCall } from "../support/http-call.ts";
import { instanceFrom } from "../support/instances.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ instances: [instanceFrom({ name: "vm-1" })] });
});
afterAll(() => api[Symbol.asyncDispose]());

function document(name: string): object {
  return {
    name,
    rules: [{ match: { hostname: `${name}.example.com` }, target: { instance: "vm-1", port: 1 } }],
  };
}

describe("failures", () => {
  const secret = "token-of-the-provider";

  it.each<[string, (path: string) => HttpCall]>([
    ["failed to create ingress", () => ({ method: "POST", path: "/ingresses", json: document("new") })],
    ["failed to replace ingress", (path) => ({ method: "PUT", path, json: document("other") })],
    ["failed to change ingress", (path) => ({ method: "PATCH", path, json: { tags: { a: "b" } } })],
    ["failed to delete ingress", (path) => ({ method: "DELETE", path })],
  ])("answers 500 '%s', and logs the cause", async (message, make) => {
    const name = message.replaceAll(" ", "-");
    const { headers } = await api.call({ method: "POST", path: "/ingresses", json: document(name) });
    api.manager.nextFailure = new TypeError(`something with ${secret}`);
    const reply = await api.call(make(headers.location ?? ""));
    expect([reply.status, reply.text]).toEqual([500, `{"code":"internal_error","message":"${message}"}\n`]);
    expect(reply.headers["x-should-retry"]).toBeUndefined();
    const entry = api.logger.entries.findLast(({ level }) => level === "error");
    expect(entry).toMatchObject({ message, fields: { code: "internal_error" } });
    expect(String(entry?.fields["cause"])).toContain("TypeError: something");
  });

  it("answers a failed lookup in hypeman's words", async () => {
    const lookup = api.manager.lookup.bind(api.manager);
    api.manager.lookup = () => {
      throw new Error("disk");
    };
    const reply = await api.call({ path: "/ingresses/x" });
    expect(reply.text).toBe('{"code":"internal_error","message":"failed to resolve resource"}\n');
    api.manager.lookup = lookup;
  });

  it.each([
    "caddy_unavailable",
    "store_unavailable",
    "store_conflict",
    "shutting_down",
    "source_unavailable",
  ] as const)("answers %s with 503 and when to retry", async (code) => {
    api.manager.nextFailure = new GatewrightError(code, "not now");
    const reply = await api.call({ method: "POST", path: "/ingresses", json: document("later") });
    expect([reply.status, reply.text]).toEqual([503, `{"code":"${code}","message":"not now"}\n`]);
    expect(reply.headers["retry-after"]).toBe("1");
    expect(reply.headers["x-should-retry"]).toBeUndefined();
  });

  it("cuts an answer that fails midway, rather than end it as if it were whole", async () => {
    const list = api.manager.list.bind(api.manager);
    const [one] = [...list()];
    if (one === undefined) throw new Error("an ingress is needed");
    api.manager.list = function* () {
      for (let index = 0; index < 1000; index++) yield { ...one, name: "n".repeat(1000) };
      throw new Error("midway");
    };
    await expect(api.call({ path: "/ingresses" })).rejects.toThrow();
    api.manager.list = list;
    expect((await api.call({ path: "/ingresses" })).status).toBe(200);
  });

  it("answers a broken escape with 400", async () => {
    const reply = await api.call({ path: "/ingresses/%zz" });
    expect([reply.status, reply.json()["code"]]).toEqual([400, "Bad Request"]);
  });

  it("tells probes why it is not ready", async () => {
    api.manager.readiness = { ready: false, reasons: ["Caddy does not answer"] };
    const reply = await api.call({ path: "/ready" });
    expect([reply.status, reply.text]).toEqual([
      503,
      '{"reasons":["Caddy does not answer"],"status":"not_ready"}\n',
    ]);
    api.manager.readiness = { ready: true, reasons: [] };
    expect((await api.call({ path: "/ready" })).text).toBe('{"reasons":[],"status":"ready"}\n');
  });
});
