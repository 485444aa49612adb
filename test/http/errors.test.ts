import { describe, expect, it, vi } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { startApi } from "../support/http-api.ts";
import type { HttpCall } from "../support/http-call.ts";
import { instanceFrom } from "../support/instances.ts";
import { use } from "../support/use.ts";

const api = use(() => startApi({ instances: [instanceFrom({ name: "vm-1" })] }));

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
    api.failNextChange(new TypeError(`something with ${secret}`));
    const call = make(headers.location ?? "");
    const reply = await api.call(call);
    expect([reply.status, reply.text]).toEqual([500, `{"code":"internal_error","message":"${message}"}\n`]);
    expect(reply.headers["x-should-retry"]).toBeUndefined();
    const entry = api.logger.entries.findLast(({ level }) => level === "error");
    const route = call.method === "POST" ? "/ingresses" : "/ingresses/:id";
    expect(entry).toMatchObject({ message, fields: { code: "internal_error", method: call.method, route } });
    expect(String(entry?.fields["cause"])).toContain("TypeError: something");
  });

  it.each<[string, HttpCall, () => [part: object, method: string]]>([
    ["failed to list ingresses", { path: "/ingresses" }, () => [api.manager, "list"]],
    ["failed to get ingress", { path: "/ingresses/one" }, () => [api.manager, "etag"]],
    ["failed to list instances", { path: "/instances" }, () => [api.registry, "list"]],
    [
      "failed to put instance",
      { method: "PUT", path: "/instances/vm-2", json: { network: { ip: null } } },
      () => [api.registry, "put"],
    ],
    [
      "failed to delete instance",
      { method: "DELETE", path: "/instances/vm-1" },
      () => [api.registry, "delete"],
    ],
    ["failed to list certificates", { path: "/certificates" }, () => [api.certificates.report, "list"]],
    ["failed to get certificate", { path: "/certificates/a" }, () => [api.certificates.report, "find"]],
    [
      "failed to import certificate",
      { method: "POST", path: "/certificates", json: { certificate_pem: "c", key_pem: "k" } },
      () => [api.certificates.imported, "put"],
    ],
    [
      "failed to delete certificate",
      { method: "DELETE", path: "/certificates/a" },
      () => [api.certificates.imported, "delete"],
    ],
    [
      "failed to get the traffic of the ingress",
      { path: "/ingresses/one/traffic" },
      () => [api.requests, "traffic"],
    ],
    ["failed to get the metrics", { path: "/metrics" }, () => [api.telemetry.metrics, "text"]],
  ])("answers 500 '%s' for what is unforeseen", async (message, call, faulty) => {
    await api.call({ method: "POST", path: "/ingresses", json: document("one") });
    const [part, method] = faulty();
    vi.spyOn(part as { [method: string]: () => unknown }, method).mockImplementationOnce(() => {
      throw new TypeError(`something with ${secret}`);
    });
    const reply = await api.call(call);
    expect([reply.status, reply.text]).toEqual([500, `{"code":"internal_error","message":"${message}"}\n`]);
  });

  it("answers a failed lookup in hypeman's words", async () => {
    vi.spyOn(api.manager, "lookup").mockImplementationOnce(() => {
      throw new Error("disk");
    });
    const reply = await api.call({ path: "/ingresses/x" });
    expect(reply.text).toBe('{"code":"internal_error","message":"failed to resolve resource"}\n');
  });

  it.each([
    "caddy_unavailable",
    "store_unavailable",
    "store_conflict",
    "shutting_down",
    "source_unavailable",
  ] as const)("answers %s with 503 and when to retry", async (code) => {
    api.failNextChange(new GatewrightError(code, "not now"));
    const reply = await api.call({ method: "POST", path: "/ingresses", json: document("later") });
    expect([reply.status, reply.text]).toEqual([503, `{"code":"${code}","message":"not now"}\n`]);
    expect(reply.headers["retry-after"]).toBe("1");
    expect(reply.headers["x-should-retry"]).toBeUndefined();
  });

  it("cuts an answer that fails midway, rather than end it as if it were whole", async () => {
    const [one] = [...api.manager.list()];
    if (one === undefined) throw new Error("an ingress is needed");
    vi.spyOn(api.manager, "list").mockImplementationOnce(function* () {
      for (let index = 0; index < 1000; index++) yield { ...one, name: "n".repeat(1000) };
      throw new Error("midway");
    });
    await expect(api.call({ path: "/ingresses" })).rejects.toThrow();
    expect((await api.call({ path: "/ingresses" })).status).toBe(200);
  });

  it("answers a broken escape with 400", async () => {
    const reply = await api.call({ path: "/ingresses/%zz" });
    expect([reply.status, reply.json()["code"]]).toEqual([400, "Bad Request"]);
  });

  it("tells probes why it is not ready", async () => {
    const ready = vi.spyOn(api.manager, "ready");
    ready.mockReturnValueOnce({ ready: false, reasons: ["Caddy does not answer"] });
    const reply = await api.call({ path: "/ready" });
    expect([reply.status, reply.text]).toEqual([
      503,
      '{"reasons":["Caddy does not answer"],"status":"not_ready"}\n',
    ]);
    expect((await api.call({ path: "/ready" })).text).toBe('{"reasons":[],"status":"ready"}\n');
  });
});
