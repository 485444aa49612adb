import { once } from "node:events";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Explanation, Ingress, Revision, ServerStatus } from "../../../src/model/api.ts";
import { askCaddy, call, rule, visit } from "../../support/api.ts";
import { apiByName, apiHost, callByName, internalRoot, openByName } from "../../support/api-site.ts";
import { create, inform, type Refusal, token } from "../../support/authorized.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const site = useGatewright(apiByName);

/** The number of Caddy's configuration, which grows with each load. */
const configuration = async (): Promise<number> => {
  const { body } = await askCaddy<{ generation: number }>(site.ports.admin, "/gatewright/state");
  return body.generation;
};

describe("the API by its name", () => {
  it("is there before any ingress, with a certificate, its docs, and a redirect from HTTP", async () => {
    expect(await callByName(site, "/health")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect((await callByName(site, "/docs")).text).toContain("swagger-ui");
    expect(await callByName(site, "/ingresses")).toMatchObject({ status: 200, body: [] });
    expect(await visit(site.ports.http, apiHost, "/docs?a=b")).toMatchObject({
      status: 301,
      headers: { location: `https://${apiHost}:${site.ports.https}/docs?a=b` },
    });
    expect((await stat(join(site.dataDir, "caddy/api.sock"))).mode & 0o777).toBe(0o600);
  });

  it("asks for a token as everywhere", async () => {
    const without = await callByName<Refusal>(site, "/ingresses", { headers: { authorization: "" } });
    expect(without).toMatchObject({ status: 401, body: { code: "Unauthorized" } });
    const wrong = await callByName(site, "/ingresses", { headers: { authorization: "Bearer x" } });
    expect(wrong.status).toBe(401);
  });

  it("knows the client's address, whatever the client says of it", async () => {
    const forged = {
      "x-real-ip": "203.0.113.9",
      "x-forwarded-for": "203.0.113.9",
      forwarded: "for=203.0.113.9",
    };
    const made = async (name: string, headers: { readonly [name: string]: string }) => {
      const body = JSON.stringify({ name, rules: [rule(`${name}.example.test`, "web-1", 9)] });
      return callByName(site, "/ingresses", { method: "POST", body, headers, from: "127.0.0.7" });
    };
    await inform(site, "web-1", "127.0.0.1");
    expect((await made("one", forged)).status).toBe(201);
    expect((await made("two", { ...forged, connection: "x-real-ip, x-forwarded-for" })).status).toBe(201);
    const direct = { name: "three", rules: [rule("three.example.test", "web-1", 9)] };
    expect(
      (await call(`${site.url}/ingresses`, { body: direct, headers: { ...token, ...forged } })).status,
    ).toBe(201);
    const { body } = await call<readonly Revision[]>(`${site.url}/revisions`, { headers: token });
    const addresses = body.flatMap(({ authors }) => authors.map(({ actor }) => actor.address));
    expect(addresses.toSorted()).toEqual(["127.0.0.1", "127.0.0.7", "127.0.0.7"]);
  });

  it("streams events as they happen", async () => {
    const stream = await openByName(site, "/events?follow=true&type=ingress", {
      headers: { accept: "text/event-stream" },
    });
    let seen = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => (seen += chunk));
    expect(stream.headers["content-type"]).toContain("text/event-stream");
    await create(site, { name: "seen", rules: [rule("seen.example.test", "web-1", 9)] });
    await until(() => seen.includes("ingress.created") && seen.includes("seen"));
    stream.destroy();
    await once(stream, "close");
  });

  it("carries large bodies both ways, whole", async () => {
    const names = Array.from({ length: 3_000 }, (_, at) => `large-${at}`);
    const ingresses = names.map((name) => ({ name, rules: [rule(`${name}.example.test`, "web-1", 9)] }));
    const body = JSON.stringify(ingresses);
    const applied = await callByName(site, "/apply", { method: "POST", body });
    expect(applied.status, applied.text).toBe(200);
    const { body: listed } = await callByName<readonly Ingress[]>(site, "/ingresses");
    expect(listed.filter(({ name }) => name.startsWith("large-"))).toHaveLength(names.length);
  });

  it("costs no load of Caddy's configuration when ingresses come to its ports", async () => {
    const before = await configuration();
    const secure = { tls: true };
    await create(site, {
      name: "secure",
      rules: [rule("secure.example.test", "web-1", 9, { port: site.ports.https }, secure)],
    });
    expect(before).toBeGreaterThan(0);
    expect(await configuration()).toBe(before);
  });

  it("is explained, told of in /ready and /status, and shown among the certificates", async () => {
    const { body } = await call<Explanation>(`${site.url}/explain`, {
      body: { url: `https://${apiHost}:${site.ports.https}/ingresses` },
      headers: token,
    });
    expect(body).toMatchObject({ outcome: "instance", message: expect.stringContaining("API_HOSTNAME") });
    expect(body.differences).toEqual([]);
    // Caddy is asked for names that are wanting once a second.
    await until(async () => (await call(`${site.url}/ready`)).text === '{"reasons":[],"status":"ready"}\n');
    const status = await call<ServerStatus>(`${site.url}/status`, { headers: token });
    expect(status.body).toMatchObject({ status: "ok", problems: [] });
    const certificate = await call(`${site.url}/certificates/${apiHost}`, { headers: token });
    expect(certificate.body).toMatchObject({ state: "ready", source: "internal" });
  });
});

describe("nobody else has the name or the way", () => {
  const to = { instance: "web-1", port: 9 };
  it.each([
    ["the name", { match: { hostname: apiHost }, target: to }],
    ["the name in other letters", { match: { hostname: apiHost.toUpperCase() }, target: to }],
    ["a path of it", { match: { hostname: apiHost, path: { type: "prefix", value: "/mine" } }, target: to }],
    ["another port of it", { match: { hostname: apiHost, port: 8443 }, target: to, tls: true }],
    ["its TLS connections", { match: { hostname: apiHost, protocol: "tls", port: 9443 }, target: to }],
  ])("an ingress cannot have %s", async (_, one) => {
    const answer = await create(site, { name: "thief", rules: [one] });
    expect(answer).toMatchObject({ status: 409, body: { code: "hostname_in_use" } });
    expect(answer.text).toContain("API_HOSTNAME");
  });

  it("an ingress cannot take its port whole", async () => {
    const match = { protocol: "tcp", port: site.ports.https };
    const answer = await create(site, { name: "thief", rules: [{ match, target: to }] });
    expect(answer).toMatchObject({ status: 409, body: { code: "port_in_use" } });
    expect(answer.text).toContain("API_HOSTNAME");
  });

  it("a wildcard over it takes the rest", async () => {
    const wild = [
      { match: { hostname: "*.example.test", port: site.ports.https }, target: to, tls: true },
      { match: { hostname: "*.example.test" }, target: to },
    ];
    expect((await create(site, { name: "wild", rules: wild })).status).toBe(201);
    expect((await callByName(site, "/health")).body).toEqual({ status: "ok" });
    expect((await visit(site.ports.http, apiHost, "/docs")).status).toBe(301);
    await call(`${site.url}/ingresses/wild`, { method: "DELETE", headers: token });
  });

  it("a wildcard has it on no other port, where browsers would send the cookie of a session along", async () => {
    const port = await freePort();
    await using backend = await startBackend();
    const target = { instance: "web-1", port: backend.port };
    const match = { hostname: "*.example.test", port };
    expect((await create(site, { name: "wild", rules: [{ match, target, tls: true }] })).status).toBe(201);
    const cookie = "__Host-gatewright_session=secret";
    const answer = await callByName(site, "/", { port, headers: { authorization: "", cookie } });
    expect(answer.status).toBe(404);
    expect(backend.requests()).toBe(0);
    await call(`${site.url}/ingresses/wild`, { method: "DELETE", headers: token });
  });

  it("a wildcard over it demands nothing of who calls the API", async () => {
    const client_auth = { ca_pem: await internalRoot(site), mode: "require" };
    const match = { hostname: "*.example.test", port: site.ports.https };
    const strict = { match, target: to, tls: true, tls_options: { client_auth } };
    const made = await create(site, { name: "strict", rules: [strict] });
    expect(made.status, made.text).toBe(201);
    expect((await callByName(site, "/health")).body).toEqual({ status: "ok" });
    await call(`${site.url}/ingresses/strict`, { method: "DELETE", headers: token });
  });

  it.each([
    ["loopback", () => ({ address: "127.0.0.1", port: site.ports.api })],
    ["another loopback", () => ({ address: "127.9.9.9", port: site.ports.api })],
    ["IPv6", () => ({ address: "::1", port: site.ports.api })],
    ["a mapped address", () => ({ address: "::ffff:127.0.0.1", port: site.ports.api })],
    ["a name", () => ({ address: "localhost", port: site.ports.api })],
  ])("a target of an ingress does not reach the API's port by %s", async (name, target) => {
    const host = `${name.replaceAll(/\W/g, "-").toLowerCase()}.attempt.test`;
    const answer = await create(site, {
      name: "attempt",
      rules: [{ match: { hostname: host }, target: target() }],
    });
    if (answer.status === 201) {
      expect((await visit(site.ports.http, host, "/health")).status).toBeGreaterThanOrEqual(500);
      await call(`${site.url}/ingresses/attempt`, { method: "DELETE", headers: token });
    } else expect(answer).toMatchObject({ status: 400 });
  });

  it("a target of an ingress cannot name the socket", async () => {
    const socket = join(site.dataDir, "caddy/api.sock");
    for (const target of [
      { address: `unix/${socket}`, port: 9 },
      { instance: `unix/${socket}`, port: 9 },
    ]) {
      const answer = await create(site, {
        name: "thief",
        rules: [{ match: { hostname: "s.attempt.test" }, target }],
      });
      expect(answer.status).toBe(400);
    }
  });
});

describe("starts", () => {
  it("serve it again, and set aside an ingress that has had the name", async () => {
    const root = await internalRoot(site);
    await site.stop();
    await site.start({ environment: { API_HOSTNAME: "" } });
    await expect(callByName(site, "/health", { ca: root })).rejects.toThrow();
    expect(
      (
        await create(site, {
          name: "mine",
          rules: [{ match: { hostname: apiHost }, target: { instance: "web-1", port: 9 } }],
        })
      ).status,
    ).toBe(201);
    await site.stop();
    await site.start();
    expect((await callByName(site, "/health")).body).toEqual({ status: "ok" });
    const aside = await call<readonly Ingress[]>(`${site.url}/ingresses?state=set-aside`, { headers: token });
    expect(aside.body).toMatchObject([{ name: "mine", reason: "conflict" }]);
    expect(aside.text).toContain("API_HOSTNAME");
    await site.stop();
    await site.start({ environment: { API_HOSTNAME: "" } });
    expect((await call(`${site.url}/ingresses/mine`, { headers: token })).status).toBe(200);
  });
});
