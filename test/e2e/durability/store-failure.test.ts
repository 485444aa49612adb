import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { type Answer, call, createIngress, rule } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const run = promisify(execFile);

/** A disk that is full, for the manager alone: no file of its may grow beyond this (setrlimit(2), RLIMIT_FSIZE). */
async function limitFiles(bytes: number | "unlimited"): Promise<void> {
  await run("prlimit", ["--pid", String(gatewright.process().pid), `--fsize=${bytes}:unlimited`]);
}

const backend = use(() => startBackend("first"));
const other = use(() => startBackend("second"));
const gatewright = useGatewright({}, ["web-1"]);

beforeAll(async () => {
  expect((await make("before")).status).toBe(201);
});

const make = (name: string, host = `${name}.example.com`, port = backend.port) =>
  gatewright.create(name, rule(host, "web-1", port));

const seenBy = async (host: string): Promise<string | number> => {
  const answer = await gatewright.visit<Seen>(host);
  return answer.status === 200 ? answer.body.backend : answer.status;
};

function expectUnavailable({ status, headers, body, text }: Answer): void {
  expect([status, (body as { code: string }).code]).toEqual([503, "store_unavailable"]);
  expect(headers["retry-after"]).toBeDefined();
  expect(headers["x-should-retry"]).toBeUndefined();
  expect(text).not.toContain(gatewright.dataDir);
}

describe("a disk that takes no more", () => {
  it("refuses creations, changes and deletions; Caddy serves what was there, and nothing else", async () => {
    const { url } = gatewright;
    const { body } = await make("kept", "kept.example.com");
    await limitFiles(1);
    expectUnavailable(await make("lost"));
    expectUnavailable(
      await call(`${url}/ingresses/kept`, {
        method: "PUT",
        body: { name: "kept", rules: [rule("kept.example.com", "web-1", other.port)] },
      }),
    );
    expectUnavailable(await call(`${url}/ingresses/kept`, { method: "DELETE" }));
    // Also when many wait in one batch.
    const many = await Promise.all(Array.from({ length: 10 }, (_, index) => make(`lost-${index}`)));
    for (const answer of many) expectUnavailable(answer);

    expect(await seenBy("kept.example.com")).toBe("first");
    expect(await seenBy("before.example.com")).toBe("first");
    expect(await seenBy("lost.example.com")).toBe(404);
    for (let index = 0; index < 10; index += 1) expect(await seenBy(`lost-${index}.example.com`)).toBe(404);
    expect((await call<Ingress>(`${url}/ingresses/kept`)).body).toEqual(body);
    expect((await call(`${url}/ingresses/lost`)).status).toBe(404);
    expect((await call<Ingress[]>(`${url}/ingresses`)).body.map(({ name }) => name).sort()).toEqual([
      "before",
      "kept",
    ]);
  });

  it("refuses instances likewise, and what resolves stays", async () => {
    const answer = await gatewright.put("web-1", "127.0.0.9");
    expectUnavailable(answer);
    expect(await seenBy("kept.example.com")).toBe("first");
    expectUnavailable(await gatewright.put("web-2", "127.0.0.1"));
    expect((await call(`${gatewright.url}/instances/web-2`)).status).toBe(404);
  });

  it("is forgotten when there is room again: the refused changes can be made", async () => {
    await limitFiles("unlimited");
    await until(async () => (await make("lost")).status === 201);
    expect(await seenBy("lost.example.com")).toBe("first");
    expect((await call(`${gatewright.url}/ingresses/kept`, { method: "DELETE" })).status).toBe(204);
    await gatewright.stop("SIGKILL");
    await gatewright.start();
    const names = (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ name }) => name).sort();
    expect(names).toEqual(["before", "lost"]);
    expect(await seenBy("kept.example.com")).toBe(404);
  });

  it("in the middle of a write leaves no half of it, also for the next start", async () => {
    // The record of this one is larger than what may be written of it.
    const rules = Array.from({ length: 300 }, (_, index) =>
      rule("large.example.com", "web-1", backend.port, {
        path: { type: "exact", value: `/${index}/${"x".repeat(900)}` },
      }),
    );
    await limitFiles(64 * 1024);
    const refused = await createIngress({ url: gatewright.url, name: "large", rules });
    expectUnavailable(refused);
    const small = await make("small");
    await gatewright.stop("SIGKILL");
    await gatewright.start();
    const names = (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ name }) => name);
    expect(names).not.toContain("large");
    expect(names.includes("small")).toBe(small.status === 201);
    expect(await seenBy("before.example.com")).toBe("first");
    const { body } = await call<{ reasons: string[] }>(`${gatewright.url}/ready`);
    expect(body.reasons).toEqual([]);
    expect((await createIngress({ url: gatewright.url, name: "large", rules })).status).toBe(201);
    expect((await gatewright.visit("large.example.com", `/7/${"x".repeat(900)}`)).status).toBe(200);
  });
});
