import { chmod, copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Table } from "../../../src/compiler/row.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { type Backend, startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { freePort } from "../../support/free-port.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { asSite, type Site, useGatewright } from "../../support/use-gatewright.ts";

interface Ready {
  readonly status: string;
  readonly reasons: readonly string[];
}

const backend = use(() => startBackend());

const ready = async ({ url }: Site) => {
  const { status, body } = await call<Ready>(`${url}/ready`);
  return { status, reasons: body.reasons.join("\n") };
};
const status = async ({ url }: Site) => {
  const { body } = await call<{ status: string; problems: readonly string[] }>(`${url}/status`);
  return { status: body.status, problems: body.problems.join("\n") };
};
const metric = async ({ url }: Site, name: string): Promise<number> => {
  const { text } = await call(`${url}/metrics`);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
};
const config = async ({ ports }: Site) => (await askCaddy<Config>(ports.admin, "/config/")).body;

interface Config {
  readonly admin: { readonly listen: string };
  readonly apps: { readonly gatewright: { readonly version: string }; readonly http?: object };
}

/** What somebody else does at Caddy's admin endpoint. */
async function meddle(
  { ports }: Site,
  method: string,
  path: string,
  body: object,
  headers: { readonly [name: string]: string } = {},
): Promise<void> {
  const url = `http://127.0.0.1:${ports.admin}`;
  const answer = await call(`${url}${path}`, { method, body, headers: { origin: url, ...headers } });
  expect(answer.status, answer.text).toBe(200);
}

/** Waits until it is no longer so, and what was is there again. */
async function isWell(site: Site): Promise<void> {
  await until(async () => (await ready(site)).status === 200);
  expect(await ready(site)).toEqual({ status: 200, reasons: "" });
  expect(await status(site)).toEqual({ status: "ok", problems: "" });
  expect(await metric(site, "gatewright_ready")).toBe(1);
}

describe("C5: /ready, /status and metrics tell", () => {
  const site = useGatewright({}, ["web-1"]);
  const served = () => site.reach("app.example.com");

  beforeEach(async () => {
    if ((await call(`${site.url}/ingresses/app`)).status === 404)
      await site.make("app", rule("app.example.com", "web-1", backend.port));
    await isWell(site);
  });

  it("of a Caddy that hangs", async () => {
    const pid = await site.caddyPid();
    process.kill(pid, "SIGSTOP");
    try {
      await until(async () => (await ready(site)).status === 503);
      expect((await ready(site)).reasons).toMatch(/^caddy does not answer/);
      expect((await status(site)).status).toBe("degraded");
      expect(await metric(site, "gatewright_caddy_up")).toBe(0);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await isWell(site);
    expect(await site.caddyPid()).toBe(pid);
    expect(await metric(site, "gatewright_caddy_up")).toBe(1);
  });

  it("of a configuration that somebody loaded, which is put right", async () => {
    const own = await config(site);
    const drifts = await metric(site, "gatewright_caddy_drifts_total");
    await meddle(site, "POST", "/load", { admin: own.admin });
    expect(await served()).toBe("ECONNREFUSED");
    await until(async () => (await served()) === 200);
    expect(await config(site)).toEqual(own);
    await isWell(site);
    expect(await metric(site, "gatewright_caddy_drifts_total")).toBe(drifts + 1);
  });

  it("of a part that somebody changed, though the version stays the same", async () => {
    const own = await config(site);
    await meddle(site, "PATCH", "/config/apps/http/servers", {});
    expect((await config(site)).apps.gatewright.version).toBe(own.apps.gatewright.version);
    expect(await served()).toBe("ECONNREFUSED");
    await until(async () => (await served()) === 200);
    expect(await config(site)).toEqual(own);
    await isWell(site);
  });

  it("of a host table that somebody gave it", async () => {
    await meddle(site, "PUT", "/gatewright/table", { version: "other", rows: [] });
    expect(await served()).toBe(404);
    await until(async () => (await served()) === 200);
    await isWell(site);
  });

  it("of a host table that somebody gave it under the version of ours", async () => {
    const drifts = await metric(site, "gatewright_caddy_drifts_total");
    const { body } = await askCaddy<{ table: string }>(site.ports.admin, "/gatewright/state");
    await meddle(site, "PUT", "/gatewright/table", { version: body.table, rows: [] });
    expect(await served()).toBe(404);
    await until(async () => (await served()) === 200);
    await isWell(site);
    expect(await metric(site, "gatewright_caddy_drifts_total")).toBe(drifts + 1);
    // A change after it goes on from the whole table, and what we change ourselves is no drift.
    await meddle(site, "PUT", "/gatewright/table", { version: body.table, rows: [] });
    await site.make("more", rule("more.example.com", "web-1", backend.port));
    await until(async () => (await served()) === 200);
    expect(await site.reach("more.example.com")).toBe(200);
    await isWell(site);
  });

  it("of policy sets that somebody gave it under our keys", async () => {
    const { body: state } = await askCaddy<{ table: string }>(site.ports.admin, "/gatewright/state");
    const { body } = await askCaddy<Table>(site.ports.admin, "/gatewright/policy_sets");
    const handle = [{ handler: "static_response", status_code: 418 }];
    const sets = Object.keys(body.policy_sets ?? {}).map((key) => [key, { handle }] as const);
    const row = { id: "theirs/0", ingress: "theirs", port: site.ports.http, host: "app.example.com" };
    const rows = [{ ...row, policy: sets[0]?.[0], targets: [{ instance: "web-1", port: 1 }] }];
    const theirs = { version: state.table, rows, policy_sets: Object.fromEntries(sets) };
    await meddle(site, "PUT", "/gatewright/table", theirs);
    expect(await served()).toBe(418);
    await until(async () => (await served()) === 200);
    await isWell(site);
  });

  it("of an admin endpoint that somebody moved away", async () => {
    const own = await config(site);
    const pid = await site.caddyPid();
    const elsewhere = { ...own, admin: { ...own.admin, listen: `127.0.0.1:${await freePort()}` } };
    await meddle(site, "POST", "/load", elsewhere);
    await until(async () => (await ready(site)).status === 503);
    await until(async () => (await site.caddyPid()) !== pid);
    await isWell(site);
    expect(await config(site)).toEqual(own);
    expect(await served()).toBe(200);
  }, 60_000);

  it("and say nothing of what was changed and changed back", async () => {
    const drifts = await metric(site, "gatewright_caddy_drifts_total");
    const { generation } = (await askCaddy<{ generation: number }>(site.ports.admin, "/gatewright/state"))
      .body;
    const own = await config(site);
    // The same configuration, told to be loaded once more.
    await meddle(site, "POST", "/load", own, { "cache-control": "must-revalidate" });
    const state = await askCaddy<{ generation: number }>(site.ports.admin, "/gatewright/state");
    expect(state.body.generation).toBe(generation + 1);
    await site.make("later", rule("later.example.com", "web-1", backend.port));
    expect(await metric(site, "gatewright_caddy_drifts_total")).toBe(drifts);
  });
});

describe("C5: DRIFT=report", () => {
  const site = useGatewright({ DRIFT: "report" }, ["web-1"]);

  it("leaves what somebody loaded until the next change, and tells", async () => {
    await site.make("app", rule("app.example.com", "web-1", backend.port));
    // No tidying is due then, which would put it right too.
    await site.stop();
    await site.start();
    await isWell(site);
    const own = await config(site);
    await meddle(site, "POST", "/load", { ...own, apps: { gatewright: own.apps.gatewright } });
    await until(async () => (await ready(site)).status === 503);
    expect((await ready(site)).reasons).toMatch(/^caddy runs something else than it was given/);
    expect((await status(site)).problems).toContain("something else");
    expect(await metric(site, "gatewright_caddy_drifted")).toBe(1);
    expect((await config(site)).apps.http).toBeUndefined();
    expect(await metric(site, "gatewright_caddy_drifts_total")).toBe(1);
    await site.make("next", rule("next.example.com", "web-1", backend.port));
    expect(await site.reach("app.example.com")).toBe(200);
    expect(await site.reach("next.example.com")).toBe(200);
    await isWell(site);
  });

  it("takes back its word when somebody loads ours again", async () => {
    const own = await config(site);
    await meddle(site, "POST", "/load", { admin: own.admin });
    await until(async () => (await ready(site)).status === 503);
    await meddle(site, "POST", "/load", own);
    await isWell(site);
  });
});

describe("C5: what cannot be served", () => {
  let site: Site;
  let other: Backend | undefined;
  afterEach(async () => {
    await other?.[Symbol.asyncDispose]();
    other = undefined;
    await site[Symbol.asyncDispose]();
  });

  it("a Caddy that cannot be started again is told of", async () => {
    const binary = join(process.env["TMPDIR"] ?? "/tmp", `gatewright-drift-caddy-${process.pid}`);
    await copyFile(await builtCaddy(), binary);
    try {
      site = asSite(await startGatewright({ CADDY_BIN: binary }));
      await site.put("web-1", "127.0.0.1");
      await site.make("app", rule("app.example.com", "web-1", backend.port));
      const pid = await site.caddyPid();
      await chmod(binary, 0o000);
      process.kill(pid, "SIGKILL");
      await until(async () => (await ready(site)).reasons.includes("caddy is not running"));
      expect((await ready(site)).status).toBe(503);
      expect((await status(site)).status).toBe("degraded");
      expect(await metric(site, "gatewright_caddy_up")).toBe(0);
      await chmod(binary, 0o755);
      await isWell(site);
      expect(await site.reach("app.example.com")).toBe(200);
    } finally {
      await rm(binary, { force: true });
    }
  }, 60_000);

  it("a port that cannot be bound is a reason, while the rest is served", async () => {
    site = asSite(await startGatewright());
    await site.put("web-1", "127.0.0.1");
    const port = await freePort();
    await site.make("app", rule("app.example.com", "web-1", backend.port));
    await site.make("away", rule("away.example.com", "web-1", backend.port, { port }));
    await site.stop();
    process.kill(await site.caddyPid(), "SIGKILL");
    await until(async () => (await site.reach("away.example.com", port)) === "ECONNREFUSED");
    other = await startBackend("other", "127.0.0.1", port);
    await site.start();
    expect(await ready(site)).toEqual({ status: 200, reasons: expect.stringContaining(`port ${port}`) });
    expect(await status(site)).toEqual({
      status: "degraded",
      problems: expect.stringContaining(`port ${port}`),
    });
    expect(await metric(site, "gatewright_unserved_ports")).toBe(1);
    expect(await site.reach("app.example.com")).toBe(200);
  });

  it("TLS rules that have no certificate to come are reasons", async () => {
    const internal = { TLS_ISSUER: "internal" };
    site = asSite(await startGatewright());
    await site.stop();
    await site.start({ environment: internal });
    await site.put("web-1", "127.0.0.1");
    await site.make("secure", { ...rule("secure.example.com", "web-1", backend.port), tls: true });
    await site.stop();
    await site.start();
    expect(await ready(site)).toEqual({
      status: 200,
      reasons: expect.stringMatching(/secure\.example\.com is not served with TLS/),
    });
    expect((await status(site)).status).toBe("degraded");
    expect(await metric(site, "gatewright_unserved_tls_rules")).toBe(1);
    expect((await call(`${site.url}/ingresses/secure`, { method: "DELETE" })).status).toBe(204);
    await isWell(site);
  });
});
