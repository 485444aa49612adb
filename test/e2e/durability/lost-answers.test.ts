import { beforeAll, describe, expect, it } from "vitest";
import { adminAddress } from "../../../src/caddy/admin-address.ts";
import { createAdminClient } from "../../../src/caddy/admin-client.ts";
import { ConfigNeeds, NeedsSnapshot } from "../../../src/compiler/config-needs.ts";
import { compileRows } from "../../../src/compiler/rows.ts";
import type { WriterStep } from "../../../src/manager/apply-step.ts";
import { CaddyState } from "../../../src/manager/caddy-state.ts";
import { rule, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { compile } from "../../support/compile.ts";
import { compilerSettings } from "../../support/compiler-settings.ts";
import { type Fate, startCuttingProxy } from "../../support/cutting-proxy.ts";
import { freePort } from "../../support/free-port.ts";
import { startLiveManager } from "../../support/live-manager.ts";
import { startLoadedCaddy } from "../../support/loaded-caddy.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { ingressOf, ruleOf } from "../../support/sketch.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { writerSteps } from "../../support/writer-steps.ts";

const backend = use(() => startBackend());
const live = use(() => startLiveManager());

beforeAll(async () => {
  await live.registry.put("web-1", { network: { ip: "127.0.0.1" } });
  await make("before");
});

const make = (name: string, match: object = {}) =>
  live.manager.ingresses.create({
    name,
    rules: [rule(`${name}.example.com`, "web-1", backend.port, match)],
  });

const status = (host: string, port = live.httpPort): Promise<number | string> =>
  visit(port, host).then(
    (answer) => answer.status,
    (error: NodeJS.ErrnoException) => error.code ?? "error",
  );

/** Changes to Caddy; reading and pushed addresses are no changes of what is stored. */
const isChange = ({ method, path }: { method: string; path: string }): boolean =>
  path === "/load" || (path === "/gatewright/table" && method !== "GET");

/** The first change that fits has the fate, everything else passes. */
function loseOnce(fate: Fate, path: string): void {
  let left = 1;
  live.proxy.decide = (request) => (isChange(request) && request.path === path && left-- > 0 ? fate : "pass");
}

describe.each(["lose_answer", "lose_request"] as const)("%s", (fate) => {
  it.each([
    ["/load", "a change with a new port"],
    ["/gatewright/table", "a change of the host table"],
  ])("of %s: %s is made once, served and answered", async (path) => {
    const name = `${fate.replace("_", "-")}-${path === "/load" ? "load" : "table"}`;
    const port = path === "/load" ? await freePort() : live.httpPort;
    await until(() => live.manager.ingresses.ready().ready);
    const before = live.proxy.requests.length;
    loseOnce(fate, path);
    const created = await make(name, { port });
    live.proxy.decide = () => "pass";
    expect(created.name).toBe(name);
    expect(await status(`${name}.example.com`, port)).toBe(200);
    expect(await status("before.example.com")).toBe(200);
    const changes = live.proxy.requests
      .slice(before)
      .filter((request) => isChange(request) && request.path === path);
    expect(changes[0]?.fate).toBe(fate);
    // What Caddy has done already is not sent again; what it never saw is.
    const again = changes.slice(1).filter(({ method }) => method !== "GET").length;
    expect(again).toBe(fate === "lose_answer" ? 0 : 1);
  });

  it("of a deletion: it is made once", async () => {
    const name = `gone-${fate.replace("_", "-")}`;
    const { id } = await make(name);
    loseOnce(fate, "/gatewright/table");
    await live.manager.ingresses.delete(id);
    live.proxy.decide = () => "pass";
    expect(live.manager.ingresses.get(id)).toBeUndefined();
    expect(await status(`${name}.example.com`)).toBe(404);
  });
});

describe("a Caddy that dies", () => {
  it.each(writerSteps)("after the step %s does not lose the change", async (step: WriterStep) => {
    const name = `dies-${step}`;
    const pid = live.caddyPid();
    let armed = true;
    live.onStep = (reached) => {
      if (reached !== step || !armed) return;
      armed = false;
      process.kill(pid, "SIGKILL");
    };
    await make(name, { port: await freePort() });
    live.onStep = () => undefined;
    expect(armed).toBe(false);
    await until(() => live.caddyPid() !== pid);
    const { port = 0 } = live.manager.ingresses.lookup(name).kind === "found" ? portOf(name) : {};
    await until(async () => (await status(`${name}.example.com`, port)) === 200);
    expect(await status("before.example.com")).toBe(200);
  });
});

function portOf(name: string): { readonly port?: number } {
  const found = live.manager.ingresses.lookup(name);
  return found.kind === "found" ? { port: found.ingress.rules[0]?.match.port ?? 0 } : {};
}

describe("an admin endpoint that stays away", () => {
  it("is a refusal after the patience, and what runs is what ran", async () => {
    await using caddy = await startLoadedCaddy();
    await using proxy = await startCuttingProxy(caddy.adminPort);
    const port = await freePort();
    const own = [`127.0.0.1:${caddy.adminPort}`, `127.0.0.1:${proxy.port}`];
    const settings = compilerSettings({
      folder: caddy.folder,
      admin: { listen: adminAddress("127.0.0.1", caddy.adminPort).listen, origins: own },
    });
    const desiredFor = (hostname: string) => {
      const ingress = ingressOf("one", { rules: [ruleOf({ hostname, port })] });
      const rows = compileRows(ingress, settings);
      const { config, table } = compile([ingress], settings);
      const needs = new NeedsSnapshot(new ConfigNeeds());
      return {
        rendered: { config, needs },
        table: { version: table.version, rows: () => rows },
      };
    };
    await caddy.serve(compile([], settings));
    const api = createAdminClient({ adminUrl: `http://127.0.0.1:${proxy.port}` });
    const state = new CaddyState({
      api,
      whenRunning: () => Promise.resolve(),
      logger: recordingLogger(),
      patienceMs: 400,
    });
    const apply = (hostname: string) =>
      state.patiently(async () => {
        const { rendered, table } = desiredFor(hostname);
        await state.load(rendered);
        await state.setTable(table);
      });
    await apply("first.example.com");
    const running = await api.running();
    expect(state.known?.versions).toEqual(running);

    proxy.decide = () => "lose_request";
    await expect(apply("second.example.com")).rejects.toMatchObject({
      code: "caddy_unavailable",
    });
    expect(state.known, "nothing is taken for granted").toBeUndefined();
    proxy.decide = () => "pass";
    expect((await state.running()).versions).toEqual(running);

    // Done, while nothing tells so: the next apply finds it done.
    proxy.decide = ({ path }) => (path === "/gatewright/state" ? "lose_request" : "lose_answer");
    await expect(apply("second.example.com")).rejects.toMatchObject({
      code: "caddy_unavailable",
    });
    proxy.decide = () => "pass";
    const before = proxy.requests.length;
    await apply("second.example.com");
    expect(proxy.requests.slice(before).filter(({ path }) => path === "/load")).toEqual([]);
    expect((await api.running()).table).toBe(desiredFor("second.example.com").table.version);
    await api.close();
  });
});

describe("stopping the manager", () => {
  it.each(["stage", "render", "apply", "persist"] as const)(
    "at the step %s waits for the change under way",
    async (step) => {
      await using other = await startLiveManager();
      await other.registry.put("web-1", { network: { ip: "127.0.0.1" } });
      let stopped: Promise<void> | undefined;
      other.onStep = async (reached) => {
        if (reached !== step) return;
        stopped = other.manager.stop();
        // Whatever stop() would do without waiting is done by then.
        await new Promise((resolve) => setImmediate(resolve));
      };
      const created = await other.manager.ingresses.create({
        name: "last",
        rules: [rule("last.example.com", "web-1", backend.port)],
      });
      await stopped;
      expect((await other.stored()).map(({ id }) => id)).toEqual([created.id]);
      expect(await status("last.example.com", other.httpPort)).toBe(200);
      await expect(
        other.manager.ingresses.create({ name: "late", rules: [rule("late.example.com", "web-1", 80)] }),
      ).rejects.toMatchObject({ code: "shutting_down" });
    },
  );
});
