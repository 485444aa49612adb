import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CaddyApi } from "../../src/caddy/caddy-api.ts";
import type { CaddyConfig } from "../../src/caddy-json/config.ts";
import type { Table } from "../../src/compiler/row.ts";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import type { Ingress } from "../../src/model/api.ts";
import { type Compiled, compile } from "../support/compile.ts";

/** One Caddy without ingresses, and the world around it. */
export interface CaddyWorld extends AsyncDisposable {
  readonly api: CaddyApi;
  /** With its admin endpoint and folder. */
  readonly settings: CompilerSettings;
  /** A port that nobody has. */
  freePort(): Promise<number>;
  /** Another program takes a port; ends with the world. */
  occupy(port: number): Promise<void>;
  /** Ends Caddy's process. */
  kill(): Promise<void>;
}

const ingress = (id: string, port: number, connect?: string): Ingress => ({
  id,
  name: id,
  rules: [
    {
      match: { hostname: `${id}.example.com`, port },
      target: { instance: "web-1", port: 8080 },
      ...(connect === undefined ? {} : { policies: { timeouts: { connect } } }),
      tls: false,
      redirect_http: false,
    },
  ],
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
});

/** What each CaddyApi keeps to: the manager rests on nothing else. */
export function caddyApiContract(name: string, start: () => Promise<CaddyWorld>): void {
  describe(`${name} as CaddyApi`, () => {
    let world: CaddyWorld;
    let api: CaddyApi;
    let port: number;
    let other: number;
    const compiled = (...ingresses: Ingress[]): Compiled => compile(ingresses, world.settings);
    const first = (): Compiled => compiled(ingress("one", port));
    /** Another configuration than the first. */
    const another = (): Compiled => compiled(ingress("one", other));
    const rowsOf = ({ rows, policy_sets = {} }: Table) => ({ upsert: rows, policy_sets });

    beforeAll(async () => {
      world = await start();
      api = world.api;
      port = await world.freePort();
      other = await world.freePort();
    });
    afterAll(() => world[Symbol.asyncDispose]());
    beforeEach(async () => {
      const { config, table } = first();
      await api.load(config);
      await api.replaceTable(table);
    });

    it("runs what was loaded, and tells it whole", async () => {
      const { config, table } = first();
      expect(await api.running()).toMatchObject({
        config: config.apps.gatewright.version,
        table: table.version,
      });
      expect(await api.config()).toEqual(JSON.parse(JSON.stringify(config)));
    });

    it("counts configurations: one more for each load, none for what runs already", async () => {
      const { generation } = await api.running();
      await api.load(another().config);
      expect((await api.running()).generation).toBe(generation + 1);
      await api.load(first().config);
      await api.load(first().config);
      expect((await api.running()).generation).toBe(generation + 2);
    });

    it("counts a load of the same version that says something else", async () => {
      const { generation } = await api.running();
      const { config } = first();
      await api.load({ ...config, apps: { gatewright: config.apps.gatewright } });
      const running = await api.running();
      expect(running).toMatchObject({ config: config.apps.gatewright.version, generation: generation + 1 });
      expect((await api.config()).apps?.http).toBeUndefined();
    });

    it("C5: counts changes of the host table, to the version that it has too, and none that was refused", async () => {
      const { table } = first();
      const { changes = Number.NaN } = await api.running();
      const count = async (): Promise<number> => ((await api.running()).changes ?? Number.NaN) - changes;
      await api.replaceTable({ ...table, rows: [] });
      expect(await api.running()).toMatchObject({ table: table.version, changes: changes + 1 });
      await api.patchTable({ from: table.version, to: table.version, remove: [], ...rowsOf(table) });
      expect(await count()).toBe(2);
      const refused = [
        () => api.patchTable({ from: "another", to: "next", remove: [], upsert: [] }),
        () => api.replaceTable({ version: "next", rows: compiled(ingress("slow", port, "9s")).table.rows }),
      ];
      for (const change of refused) await expect(change()).rejects.toThrow();
      await api.load(another().config);
      expect(await count()).toBe(2);
    });

    it("tells whether its table is staged, until that is committed or changed again", async () => {
      const { table } = first();
      const { version } = table;
      const staged = async () => (await api.running()).staged;
      expect(await staged()).toBe(false);
      await api.replaceTable({ ...table, staged: true });
      expect(await staged()).toBe(true);
      await expect(api.commitTable("another")).rejects.toMatchObject({ code: "store_conflict" });
      expect(await staged()).toBe(true);
      const { changes } = await api.running();
      await api.commitTable(version);
      await api.commitTable(version);
      expect(await api.running()).toMatchObject({ table: version, changes, staged: false });
      await api.patchTable({ from: version, to: "next", remove: [], upsert: [], staged: true });
      expect(await staged()).toBe(true);
      await api.patchTable({ from: "next", to: "stored", remove: [], upsert: [] });
      expect(await staged()).toBe(false);
    });

    it("keeps what ran when a configuration is refused", async () => {
      const before = await api.running();
      const { config } = first();
      const gatewright = {
        ...config.apps.gatewright,
        version: "bad",
        resolver: { ...config.apps.gatewright.resolver, address: "no address" },
      };
      const bad: CaddyConfig = { ...config, apps: { ...config.apps, gatewright } };
      await expect(api.load(bad)).rejects.toMatchObject({ code: "config_validation_failed" });
      expect(await api.running()).toEqual(before);
      expect(await api.config()).toEqual(JSON.parse(JSON.stringify(config)));
    });

    it("refuses a port that another program has", async () => {
      const before = await api.running();
      const taken = await world.freePort();
      await world.occupy(taken);
      const { config } = compiled(ingress("one", port), ingress("two", taken));
      await expect(api.load(config)).rejects.toMatchObject({ code: "port_in_use" });
      expect(await api.running()).toEqual(before);
    });

    it("keeps the host table through loads", async () => {
      const { table } = first();
      await api.load(another().config);
      expect((await api.running()).table).toBe(table.version);
    });

    it("takes a delta from the running version, and none from another", async () => {
      const { version: from } = first().table;
      const { table } = compiled(ingress("one", port), ingress("two", port));
      const upsert = table.rows.filter(({ id }) => id.startsWith("two"));
      await api.patchTable({ from, to: table.version, remove: [], upsert });
      expect((await api.running()).table).toBe(table.version);
      const again = api.patchTable({ from, to: "later", remove: ["two/0"], upsert: [] });
      await expect(again).rejects.toMatchObject({ code: "store_conflict" });
      expect((await api.running()).table).toBe(table.version);
    });

    it("refuses rows whose policy set neither runs nor comes with them, named, and keeps the table", async () => {
      const before = await api.running();
      const { version, rows } = compiled(ingress("slow", port, "9s")).table;
      for (const change of [
        () => api.replaceTable({ version, rows }),
        () => api.patchTable({ from: before.table, to: "next", remove: [], upsert: rows }),
      ])
        await expect(change()).rejects.toMatchObject({
          code: "config_validation_failed",
          message: expect.stringContaining("slow/0"),
        });
      expect(await api.running()).toEqual(before);
    });

    it("has the policy sets that its rows name, from the first to the last", async () => {
      const { version: from } = first().table;
      const { table } = compiled(ingress("slow", port, "9s"), ingress("slower", port, "9s"));
      const [slow, slower] = table.rows;
      if (slow === undefined || slower === undefined) throw new Error("no rows");
      await api.patchTable({
        from,
        to: "1",
        remove: [],
        upsert: [slow],
        policy_sets: table.policy_sets ?? {},
      });
      await api.patchTable({ from: "1", to: "2", remove: [slow.id], upsert: [slower] });
      await api.load(another().config);
      await api.patchTable({ from: "2", to: "3", remove: [slower.id], upsert: [slow] });
      await api.patchTable({ from: "3", to: "4", remove: [slow.id], upsert: [] });
      const late = api.patchTable({ from: "4", to: "5", remove: [], upsert: [slow] });
      await expect(late).rejects.toMatchObject({ code: "config_validation_failed" });
      expect(await api.running()).toMatchObject({ table: "4" });
    });

    it("refuses a policy set that cannot be set up, named, with the rows that come with it", async () => {
      const before = await api.running();
      const { version, rows, policy_sets } = compiled(
        ingress("slow", port, "9s"),
        ingress("two", port),
      ).table;
      const [key = ""] = rows.map(({ policy }) => policy);
      const sets = { ...policy_sets, [key]: { handle: [] } };
      for (const change of [
        () => api.replaceTable({ version, rows, policy_sets: sets }),
        () => api.patchTable({ from: before.table, to: "next", remove: [], upsert: rows, policy_sets: sets }),
      ])
        await expect(change()).rejects.toMatchObject({
          code: "config_validation_failed",
          message: expect.stringMatching(`${key}.*handle is empty`),
        });
      expect(await api.running()).toEqual(before);
    });

    it("takes addresses and targets, and no address that is none", async () => {
      const push = (address: string) =>
        api.pushAddresses({ names: { "web-1": { addresses: [address] } }, flush: true });
      await push("127.0.0.1");
      await expect(push("nowhere")).rejects.toMatchObject({ code: "config_validation_failed" });
      const tell = (address: string) => api.pushAddresses({ reset: true, known: { "web-1": [address] } });
      await tell("fd00::1");
      await expect(tell("nowhere")).rejects.toMatchObject({ code: "config_validation_failed" });
      const unknown = (...addresses: readonly string[]) =>
        api.pushAddresses({ names: { "web-1": { addresses, unknown: true } } });
      await unknown();
      await expect(unknown("127.0.0.1")).rejects.toMatchObject({ code: "config_validation_failed" });
      await api.pushTargets({ reset: true, instances: { "web-1": { mode: "drain" } } });
      await api.pushTargets({ rules: { "a/0": { unhealthy: ["10.0.0.1:80"], healthy: [], wait_ms: 1 } } });
    });

    it("ends a question for wake-ups that nobody waits for any more", async () => {
      const asked = new AbortController();
      const wakes = api.awaitWakes(asked.signal);
      asked.abort();
      await expect(wakes).rejects.toMatchObject({ code: "caddy_unavailable" });
    });

    it("without a process gives no answer to anything", async () => {
      await world.kill();
      const { config, table } = first();
      for (const ask of [
        () => api.running(),
        () => api.config(),
        () => api.load(config),
        () => api.replaceTable(table),
        () => api.patchTable({ from: table.version, to: "next", remove: [], upsert: [] }),
        () => api.commitTable(table.version),
        () => api.pushAddresses({ flush: true }),
        () => api.pushTargets({ reset: true }),
        () => api.awaitWakes(new AbortController().signal),
      ])
        await expect(ask()).rejects.toMatchObject({ code: "caddy_unavailable" });
    });
  });
}
