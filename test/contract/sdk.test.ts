import Hypeman from "@onkernel/hypeman";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { signToken } from "../support/sign-token.ts";

/** hypeman's own client, against this API. */
describe("hypeman's SDK", () => {
  const secret = "a secret of the client's tests";
  let api: TestApi;
  let client: Hypeman;

  beforeAll(async () => {
    api = await startApi({ secret, instances: [instanceFrom({ name: "vm-1", ip: "10.0.0.7" })] });
    client = new Hypeman({ baseURL: api.url, apiKey: signToken(secret) });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const rules = (hostname: string) => [{ match: { hostname }, target: { instance: "vm-1", port: 8080 } }];
  const requests = (): number => api.logger.entries.filter(({ message }) => message === "request").length;

  it("creates, gets, lists with tags, and deletes", async () => {
    const tags = { team: "web + api", env: "a=b" };
    const made = await client.ingresses.create({ name: "sdk", rules: rules("sdk.example.com"), tags });
    expect(made).toMatchObject({
      name: "sdk",
      tags,
      rules: [{ match: { port: api.world.httpPort }, tls: false }],
    });
    expect(await client.ingresses.get("sdk")).toEqual(made);
    expect(await client.ingresses.list()).toEqual([made]);
    expect(await client.ingresses.list({ tags: { team: "web + api" } })).toEqual([made]);
    expect(await client.ingresses.list({ tags: { team: "other" } })).toEqual([]);
    expect(await client.ingresses.delete(made.id)).toBeNull();
    expect(await client.ingresses.list()).toEqual([]);
  });

  it("reads instances", async () => {
    const [instance] = await client.instances.list();
    expect(instance).toMatchObject({ name: "vm-1", state: "Running", network: { ip: "10.0.0.7" } });
    expect(await client.instances.get("vm-1")).toEqual(instance);
    expect(await client.instances.list({ state: "Stopped" })).toEqual([]);
    expect(await client.health.check()).toEqual({ status: "ok" });
  });

  it("gets its error classes, with the parsed body", async () => {
    const bad = client.ingresses.create({ name: "Bad Name", rules: rules("b.example.com") });
    await expect(bad).rejects.toBeInstanceOf(Hypeman.BadRequestError);
    await expect(bad).rejects.toMatchObject({
      status: 400,
      error: { code: "Bad Request", details: [{ field: "name" }] },
    });
    await expect(client.ingresses.get("a b/c")).rejects.toBeInstanceOf(Hypeman.NotFoundError);
    await expect(client.ingresses.get("x")).rejects.toThrow("404 resource not found");
    const stranger = new Hypeman({ baseURL: api.url, apiKey: "nonsense" });
    await expect(stranger.ingresses.list()).rejects.toBeInstanceOf(Hypeman.AuthenticationError);
    const reader = new Hypeman({
      baseURL: api.url,
      apiKey: signToken(secret, { permissions: ["ingress:read"] }),
    });
    await expect(reader.ingresses.delete("x")).rejects.toBeInstanceOf(Hypeman.PermissionDeniedError);
  });

  it("does not retry a conflict", async () => {
    await client.ingresses.create({ name: "twice", rules: rules("twice.example.com") });
    const before = requests();
    const again = client.ingresses.create({ name: "twice", rules: rules("twice-2.example.com") });
    await expect(again).rejects.toBeInstanceOf(Hypeman.ConflictError);
    expect(requests() - before).toBe(1);
  });

  it("retries a 503 after the time given, and succeeds", async () => {
    api.failNextChange(new GatewrightError("store_unavailable", "the disk is full"));
    const before = requests();
    await client.ingresses.create({ name: "retried", rules: rules("retried.example.com") });
    expect(requests() - before).toBe(2);
  });
});
