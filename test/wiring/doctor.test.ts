import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import dns2 from "dns2";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import type { Finding } from "../../src/model/api.ts";
import { diagnose } from "../../src/wiring/doctor/doctor.ts";
import { skewFindings } from "../../src/wiring/doctor/machine.ts";
import { call, rule } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { freePort } from "../support/free-port.ts";
import { portSettings } from "../support/gatewright.ts";
import { CliHome } from "../support/run-cli.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useGatewright } from "../support/use-gatewright.ts";

type Settings = { readonly [name: string]: string };

/** A machine on which nothing was started. */
async function fresh(settings: Settings = {}) {
  const home = new CliHome();
  const ports = { api: 0, admin: 0, dns: 0, http: 0, https: 0 };
  for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
  const { CADDY_ADMIN_PORT: _, ...own } = portSettings(ports) as Settings;
  const dataDir = join(home.path, "data");
  const env = {
    DATA_DIR: dataDir,
    CADDY_LISTEN_ADDRESS: "127.0.0.1",
    CADDY_BIN: process.execPath,
    ...own,
    ...settings,
  };
  return { home, ports, dataDir, env };
}

/** What the doctor finds, as JSON, and how it ends. */
async function examined(home: CliHome, env: Settings, ...args: readonly string[]) {
  const { code, stdout, stderr } = await home.run(["doctor", "-o", "json", ...args], { env });
  expect(stderr).toBe("");
  return { code, found: JSON.parse(stdout) as readonly Finding[] };
}

/** Puts an ingress where a stopped Gatewright has it. */
function store(dataDir: string, ...hostnames: readonly string[]): void {
  mkdirSync(join(dataDir, "ingresses"), { recursive: true, mode: 0o700 });
  const rules = hostnames.map((hostname) => ruleOf({ hostname }));
  writeFileSync(join(dataDir, "ingresses/a1.json"), JSON.stringify(ingressOf("a1", { rules })));
}

describe("without a Gatewright that runs", () => {
  it("finds nothing wrong where nothing is, and leaves nothing behind", async () => {
    const { home, env } = await fresh();
    using _ = home;
    const { code, found } = await examined(home, env);
    expect(found.filter(({ verdict }) => verdict === "problem")).toEqual([]);
    expect(code).toBe(0);
    const checks = ["settings", "node", "caddy-program", "data", "files", "processes", "ports", "tls"];
    expect([...new Set(found.map(({ check }) => check))]).toEqual(checks);
    expect(found).toContainEqual({
      check: "processes",
      verdict: "ok",
      message: "Gatewright does not run, and neither does Caddy",
    });
    const people = await home.run(["doctor"], { env });
    expect(people.stdout).toMatch(
      /^✓ settings: the settings are valid; 0 ingresses are stored\n✓ node: Node 24/,
    );
    expect((await home.run(["doctor", "-o", "name"], { env })).stdout).toMatch(/^settings\/ok\n/);
  });

  it("names who has a port", async () => {
    const { home, env, ports } = await fresh();
    using _ = home;
    await using other = await startBackend("other", "127.0.0.1", ports.api);
    expect(other.port).toBe(ports.api);
    const { code, found } = await examined(home, env);
    expect(code).toBe(1);
    expect(found).toContainEqual({
      check: "ports",
      verdict: "problem",
      message: expect.stringMatching(
        new RegExp(`^the API \\(PORT\\): tcp port ${ports.api} is held by .*\\(${process.pid}\\)$`),
      ),
      remedy: "stop that, or choose another port",
    });
  });

  it("tells of few files, of a program that is none, and of a file that cannot be read", async () => {
    const { home, env, dataDir } = await fresh({ CADDY_BIN: "/nowhere/caddy" });
    using _ = home;
    store(dataDir, "shop.test");
    writeFileSync(join(dataDir, "ingresses/a2.json"), "{");
    const program = join(import.meta.dirname, "../../bin/gatewright.mjs");
    const child = spawn(
      "sh",
      ["-c", `ulimit -n 256; exec "${process.execPath}" "${program}" doctor -o json --resolver 127.0.0.1:9`],
      {
        env: { PATH: process.env["PATH"], HOME: home.path, ...env },
        cwd: home.path,
      },
    );
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk));
    expect(await once(child, "close")).toEqual([1, null]);
    const found = JSON.parse(text) as readonly Finding[];
    expect(found.filter(({ verdict }) => verdict === "problem").map(({ message }) => message)).toEqual([
      "CADDY_BIN: /nowhere/caddy is no file that may be executed",
      "ingresses/a2.json cannot be read",
      "a process may open 256 files",
    ]);
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "disk",
        verdict: "ok",
        message: expect.stringContaining("MB are free"),
      }),
    );
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "disk",
        message: expect.stringMatching(/is durable after \d+\.\d ms$/),
      }),
    );
    expect(found).toContainEqual(expect.objectContaining({ check: "clock", verdict: "ok" }));
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "names",
        verdict: "warning",
        message: expect.stringMatching(/^DNS does not answer/),
      }),
    );
  });

  it("asks where hostnames lead", async () => {
    const { home, env, dataDir } = await fresh({
      ACME_EMAIL: "ops@example.com",
      ACME_CA: "https://127.0.0.1:9/dir",
    });
    using _ = home;
    store(dataDir, "here.test", "there.test", "nowhere.test", "*.dev.test");
    const address: { [name: string]: string } = {
      "here.test": "127.0.0.1",
      "there.test": "198.51.100.9",
      "gatewright-doctor.dev.test": "127.0.0.1",
    };
    const port = await freePort();
    const server = dns2.createServer({
      udp: true,
      handle: (request, send) => {
        const response = dns2.Packet.createResponseFromRequest(request);
        const [{ name = "", type } = {}] = request.questions as { name: string; type: number }[];
        const ip = address[name];
        if (ip === undefined) response.header.rcode = 3;
        else if (type === dns2.Packet.TYPE.A)
          response.answers.push({ name, type, class: dns2.Packet.CLASS.IN, ttl: 1, address: ip } as never);
        send(response);
      },
    });
    await server.listen({ udp: { port, address: "127.0.0.1" } });
    const { code, found } = await examined(home, env, "--resolver", `127.0.0.1:${port}`);
    await server.close();
    expect(code).toBe(1);
    expect(found.filter(({ check }) => check === "names")).toEqual([
      {
        check: "names",
        verdict: "warning",
        message: "there.test leads to 198.51.100.9, which this machine does not have",
        remedy: expect.any(String),
      },
      {
        check: "names",
        verdict: "warning",
        message: "nowhere.test has no address in DNS",
        remedy: expect.any(String),
      },
      { check: "names", verdict: "ok", message: "2 of 4 hostnames lead to this machine" },
    ]);
    // The authority of these settings cannot be reached.
    expect(found).toContainEqual({
      check: "authority",
      verdict: "problem",
      message: expect.stringMatching(/^https:\/\/127\.0\.0\.1:9\/dir: .*ECONNREFUSED/),
      remedy: "check ACME_CA, ACME_CA_ROOT and the network",
    });
  });

  it("takes a clock for wrong that is seconds away from the disk's or minutes from the authority's", () => {
    expect(skewFindings("the file system's", 1_500)).toMatchObject([{ verdict: "ok" }]);
    expect(skewFindings("the file system's", -90_000)).toMatchObject([
      { verdict: "warning", message: "the file system's clock is 90 s behind this machine's" },
    ]);
    expect(skewFindings("the authority's", 50_000, 60_000)).toMatchObject([{ verdict: "ok" }]);
  });
});

describe("with a Gatewright that runs", () => {
  const gatewright = useGatewright({ JWT_SECRET: "" }, ["web-1"]);
  const home = use(async () => new CliHome());
  const env = (): Settings =>
    ({
      ...portSettings(gatewright.ports),
      DATA_DIR: gatewright.dataDir,
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
    }) as Settings;
  const examine = () => examined(home, env(), "--resolver", "127.0.0.1:9");

  it("finds the ports its own, and tells of an admin endpoint that every user reaches", async () => {
    await gatewright.make("shop", rule("shop.test", "web-1", 80));
    const { found } = await examine();
    expect(found.filter(({ verdict }) => verdict === "problem")).toEqual([]);
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "settings",
        verdict: "warning",
        message: expect.stringContaining("every user of this machine can drive Caddy"),
      }),
    );
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "ports",
        message: expect.stringContaining(`${gatewright.ports.http}/tcp is ours`),
      }),
    );
    expect(found).toContainEqual(expect.objectContaining({ check: "served", verdict: "ok" }));
    expect(found).toContainEqual(expect.objectContaining({ check: "token", verdict: "ok" }));
  });

  it("answers the same by its API, once for all who ask at once", async () => {
    const ask = () => call<readonly Finding[]>(`${gatewright.url}/doctor`);
    const [one, other] = await Promise.all([ask(), ask()]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(other.body).toEqual(one.body);
    const { found } = await examine();
    const kinds = (all: readonly Finding[]) =>
      [...new Set(all.map(({ check, verdict }) => `${check} ${verdict}`))].filter(
        (one) => !/^names/.test(one),
      );
    expect(kinds(one.body)).toEqual(kinds(found));
    // Where hostnames lead is asked of the system's servers.
    expect(one.body.some(({ check }) => check === "names")).toBe(true);
  });

  it("says which check took too long or failed, and tells of the others all the same", async () => {
    const config = loadConfig(env());
    const never = new Promise<never>(() => undefined);
    const found = await diagnose(config, {
      self: { ready: () => never, status: () => Promise.reject(new Error("no status")) },
      stored: { ingresses: [], count: 0, tokens: [], unreadable: [] },
      longestMs: 3_000,
    });
    expect(found).toContainEqual({
      check: "served",
      verdict: "warning",
      message: "looking took longer than 3 s",
      remedy: "look again",
    });
    expect(found).toContainEqual(
      expect.objectContaining({ check: "token", message: expect.stringContaining("no status") }),
    );
    expect(found).toContainEqual(expect.objectContaining({ check: "ports", verdict: "ok" }));
    // Nothing can be told of what cannot be gone through.
    const broken = await diagnose(config, {
      self: { ready: async () => ({ ready: true, reasons: [] }), status: async () => ({ problems: [] }) },
      stored: { ingresses: [null as never], count: 1, tokens: [], unreadable: [] },
    });
    expect(broken).toContainEqual(
      expect.objectContaining({
        check: "tls",
        verdict: "problem",
        message: expect.stringMatching(/^this cannot be looked at: /),
      }),
    );
    expect(broken).toContainEqual(expect.objectContaining({ check: "served", verdict: "ok" }));
  });

  it("says that a token is not enough, and which ends soon", async () => {
    const made = await call<{ token: string }>(`${gatewright.url}/tokens`, {
      body: { name: "ci", scopes: ["ingress:read"], expires_in: "24h" },
    });
    await until(async () => {
      const { found } = await examined(
        home,
        { ...env(), GATEWRIGHT_TOKEN: made.body.token },
        "--resolver",
        "127.0.0.1:9",
      );
      const tokens = found.filter(({ check }) => check === "token").map(({ message }) => message);
      return (
        tokens.some((one) => one.includes("missing required scope: admin:read")) &&
        tokens.some((one) => one.startsWith("token ci ends on "))
      );
    });
  });

  it("finds what somebody else changed in Caddy", async () => {
    await gatewright.stop();
    await gatewright.start({ environment: { DRIFT: "report" } });
    const admin = `http://127.0.0.1:${gatewright.ports.admin}`;

    const changed = await call(`${admin}/config/apps/http/grace_period`, {
      method: "POST",
      body: '"1s"',
      headers: { origin: admin, "content-type": "application/json" },
    });
    expect(changed.status, changed.text).toBe(200);
    await until(async () =>
      (await examine()).found.some(
        ({ check, verdict, message }) =>
          check === "served" && verdict === "problem" && /changed|other|drift/i.test(message),
      ),
    );
    expect((await examine()).code).toBe(1);
  });

  it("finds a Caddy that is dead, and one that nobody manages", async () => {
    await gatewright.stop();
    await gatewright.start();
    const pid = await gatewright.caddyPid();
    await gatewright.stop();
    const { found } = await examine();
    expect(found).toContainEqual(
      expect.objectContaining({
        check: "processes",
        verdict: "warning",
        message: `Caddy (${pid}) serves, and no Gatewright manages it`,
      }),
    );
    // A stopped process answers nobody.
    process.kill(pid, "SIGSTOP");
    const stopped = await examine();
    process.kill(pid, "SIGCONT");
    expect(stopped.found).toContainEqual(
      expect.objectContaining({
        check: "processes",
        verdict: "problem",
        message: expect.stringContaining(`Caddy (${pid}) does not answer`),
      }),
    );
    expect(stopped.code).toBe(1);
    process.kill(pid, "SIGKILL");
    await until(async () =>
      (await examine()).found.some(
        ({ message }) => message === "Gatewright does not run, and neither does Caddy",
      ),
    );
    await gatewright.start();
  });
});

it("settings that are wrong are a matter of usage, each named", async () => {
  const { home, env } = await fresh({ PORT: "many", HTTP_PORT: "-1" });
  using _ = home;
  const { code, stderr } = await home.run(["doctor"], { env });
  expect([code, stderr]).toEqual([2, expect.stringMatching(/PORT="many"[\s\S]*HTTP_PORT="-1"/)]);
});
