import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAdminClient } from "../../src/caddy/admin-client.ts";
import type { CaddyExited, CaddyProcess, CaddyProcessOptions } from "../../src/caddy/caddy-process.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import { commandLine, identify } from "../../src/caddy/process-identity.ts";
import { findAll } from "../../src/caddy/running-caddy.ts";
import { freePort } from "../support/free-port.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { type CaddyFolder, httpApp, makeCaddyFolder } from "./caddy-folder.ts";

let place: CaddyFolder;
let logger: RecordingLogger;
let prepared: number;
let supervisors: CaddyProcess[];

beforeEach(async () => {
  place = await makeCaddyFolder();
  logger = recordingLogger();
  prepared = 0;
  supervisors = [];
});

afterEach(async () => {
  for (const supervisor of supervisors) await supervisor.detach();
  await place[Symbol.asyncDispose]();
});

function supervise(changes: Partial<CaddyProcessOptions> = {}): CaddyProcess {
  const supervisor = createCaddyProcess({
    binary: place.binary,
    folder: place.folder,
    adminUrl: place.adminUrl,
    logger,
    prepare: async () => {
      prepared++;
      await place.writeConfig();
    },
    timing: { minBackoffMs: 20, watchMs: 20, stableMs: 60_000 },
    ...changes,
  });
  supervisors.push(supervisor);
  return supervisor;
}

const isAlive = (pid: number) => identify(pid) !== undefined;
const pidFile = () => readFile(path.join(place.folder, "caddy.pid"), "utf8");

describe("start", () => {
  test("prepares the files, starts Caddy in a session of its own, and keeps its number", async () => {
    const started = await supervise().start();
    expect(started.fresh).toBe(true);
    expect(prepared).toBe(1);
    expect(await pidFile()).toBe(`${started.pid}\n`);
    expect(commandLine(started.pid)).toEqual([
      place.binary,
      "run",
      "--config",
      path.join(place.folder, "config.json"),
    ]);
    const session = (await readFile(`/proc/${started.pid}/stat`, "utf8")).split(") ")[1]?.split(" ")[3];
    expect(session).toBe(String(started.pid));
    expect((await stat(path.join(place.folder, "caddy-stderr.log"))).mode & 0o777).toBe(0o600);
  });

  test("gives Caddy only the environment that it needs", async () => {
    const { pid } = await supervise({ environment: { TZ: "UTC", PATH: "/bin" } }).start();
    const environment = (await readFile(`/proc/${pid}/environ`, "utf8")).split("\0").filter(Boolean).sort();
    expect(environment).toEqual([
      "GATEWRIGHT_DRAIN_TIMEOUT=10m",
      `GATEWRIGHT_HANDOVER=${place.folder}/handover`,
      "GATEWRIGHT_STDERR_LIMIT=1048576",
      "PATH=/bin",
      "TZ=UTC",
      `XDG_CONFIG_HOME=${place.folder}/config`,
      `XDG_DATA_HOME=${place.folder}/data`,
    ]);
  });

  test("adopts the Caddy that a manager before it left", async () => {
    const before = supervise();
    const { pid } = await before.start();
    await before.detach();
    expect(await supervise().start()).toEqual({ pid, fresh: false });
    expect(prepared).toBe(1);
  });

  test("finds it without the pid file, and with one that names another program", async () => {
    const before = supervise();
    const { pid } = await before.start();
    await before.detach();
    const sleeper = spawn("sleep", ["60"]);
    try {
      await writeFile(path.join(place.folder, "caddy.pid"), `${sleeper.pid}\n`);
      expect(await supervise().start()).toEqual({ pid, fresh: false });
      expect(await pidFile()).toBe(`${pid}\n`);
      expect(isAlive(sleeper.pid ?? 0)).toBe(true);
    } finally {
      sleeper.kill("SIGKILL");
    }
  });

  test("replaces a Caddy of another build", async () => {
    const copy = path.join(place.folder, "older-caddy");
    await copyFile(place.binary, copy);
    const before = supervise({ binary: copy });
    const { pid } = await before.start();
    await before.detach();
    const after = await supervise().start();
    expect(after).toMatchObject({ fresh: true });
    expect(after.pid).not.toBe(pid);
    expect(await pidFile()).toBe(`${after.pid}\n`);
    await until(() => !isAlive(pid));
  });

  test("replaces a Caddy whose environment has changed, but for what does not matter to it", async () => {
    const before = supervise({ environment: { TZ: "UTC", PATH: "/bin" } });
    const { pid } = await before.start();
    await before.detach();
    const same = supervise({ environment: { TZ: "UTC", PATH: "/usr/bin" } });
    expect(await same.start()).toEqual({ pid, fresh: false });
    await same.detach();
    const after = await supervise({ environment: { TZ: "UTC", GOMEMLIMIT: "1GiB" } }).start();
    expect(after.fresh).toBe(true);
    await until(() => !isAlive(pid));
  });

  test("E4: has its Caddy that listens at another admin address move to the present one", async () => {
    const before = supervise();
    const { pid } = await before.start();
    await before.detach();
    const adminPort = await freePort();
    const adminUrl = `http://127.0.0.1:${adminPort}`;
    expect(await supervise({ adminUrl }).start()).toEqual({ pid, fresh: false });
    const client = createAdminClient({ adminUrl });
    expect(await client.probe()).toMatchObject({ kind: "caddy" });
    await client.close();
  });

  test("replaces its Caddy that is neither at the present admin address nor at that of its file", async () => {
    const before = supervise();
    const { pid } = await before.start();
    await before.detach();
    const adminPort = await freePort();
    const prepare = async () => {
      const config = JSON.stringify(place.config()).replaceAll(String(place.adminPort), String(adminPort));
      await writeFile(path.join(place.folder, "config.json"), config);
    };
    await prepare();
    const adminUrl = `http://127.0.0.1:${adminPort}`;
    const after = await supervise({ adminUrl, timing: { startMs: 3_000 }, prepare }).start();
    expect(after.fresh).toBe(true);
    expect(isAlive(pid)).toBe(false);
  });

  test("leaves the Caddy of another folder at its admin address alone", async () => {
    await using other = await makeCaddyFolder();
    await other.writeConfig();
    const stranger = supervise({ folder: other.folder, adminUrl: other.adminUrl, prepare: async () => {} });
    const { pid } = await stranger.start();
    await expect(supervise({ adminUrl: other.adminUrl }).start()).rejects.toMatchObject({
      code: "address_in_use",
    });
    expect(isAlive(pid)).toBe(true);
    expect(prepared).toBe(0);
  });

  test("says so when another program answers at the admin address", async () => {
    const server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const adminUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await expect(supervise({ adminUrl }).start()).rejects.toMatchObject({
        code: "address_in_use",
        message: expect.stringMatching(/CADDY_ADMIN_PORT/),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("tells Caddy's own reason when it ends, without secrets and paths of the machine", async () => {
    const secret = "very-secret-token";
    const broken = supervise({
      secrets: [secret],
      prepare: () => place.writeConfig({ http: { servers: { main: { [secret]: true } } } }),
    });
    const error = await broken.start().catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({
      code: "caddy_start_failed",
      message: expect.stringMatching(/unknown field/),
    });
    expect((error as Error).message).not.toContain(secret);
    expect((error as Error).message).not.toContain(place.folder);
    // Nothing is supervised after a failed start, and a second one may work.
    await place.writeConfig();
    expect((await supervise().start()).fresh).toBe(true);
  });

  test("names the listener that could not be bound in the details", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const listen = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const broken = supervise({ prepare: () => place.writeConfig(httpApp(listen)) });
      await expect(broken.start()).rejects.toMatchObject({
        code: "caddy_start_failed",
        details: [{ code: "port_in_use", field: listen }],
      });
    } finally {
      server.close();
    }
  });

  test("gives up on a program that never answers, and ends it", async () => {
    const script = path.join(place.folder, "sleeper");
    await writeFile(script, "#!/bin/sh\necho asleep >&2\nexec sleep 60\n", { mode: 0o755 });
    const late = supervise({ binary: script, timing: { startMs: 300 } });
    await expect(late.start()).rejects.toMatchObject({
      code: "caddy_start_failed",
      message: expect.stringMatching(/did not answer within 0\.3 s: asleep/),
    });
    expect(isAlive(Number(await pidFile()))).toBe(false);
  });

  test("names the binary that cannot be run", async () => {
    const missing = supervise({ binary: path.join(place.folder, "nothing") });
    await expect(missing.start()).rejects.toMatchObject({
      code: "caddy_start_failed",
      message: expect.stringMatching(/ENOENT/),
    });
  });
});

describe("supervision", () => {
  test.each(["spawned", "adopted"])("starts a %s Caddy again when it dies", async (kind) => {
    if (kind === "adopted") {
      const before = supervise();
      await before.start();
      await before.detach();
    }
    const supervisor = supervise();
    const exits: CaddyExited[] = [];
    supervisor.on("exited", (exited) => exits.push(exited));
    const first = await supervisor.start();
    const next = once(supervisor as never, "started");
    process.kill(first.pid, "SIGKILL");
    const [second] = await next;
    expect(second).toMatchObject({ fresh: true });
    expect(second.pid).not.toBe(first.pid);
    expect(exits.map((exited) => exited.pid)).toEqual([first.pid]);
    expect(prepared).toBe(2);
    expect(await pidFile()).toBe(`${second.pid}\n`);
    await expect(supervisor.whenRunning(0)).resolves.toBeUndefined();
  });

  test("tries again with growing waits while the start fails, and says why each time", async () => {
    const failures = () =>
      logger.entries.filter((entry) => entry.message === "Caddy could not be started again");
    let broken = false;
    const supervisor = supervise({
      prepare: async () => {
        if (broken) throw new Error("the disk is full");
        await place.writeConfig();
      },
    });
    const { pid } = await supervisor.start();
    broken = true;
    const down = once(supervisor as never, "exited");
    process.kill(pid, "SIGKILL");
    await down;
    await expect(supervisor.whenRunning(50)).rejects.toMatchObject({ code: "caddy_unavailable" });
    await until(() => failures().length >= 3);
    const waits = failures().map((entry) => Number(entry.fields["nextTryMs"]));
    expect(waits.slice(0, 3)).toEqual([40, 80, 160]);
    expect(failures()[0]?.fields["reason"]).toBe("the disk is full");
    broken = false;
    await supervisor.whenRunning(10_000);
  });

  test("stop ends Caddy and starts none", async () => {
    const supervisor = supervise();
    const { pid } = await supervisor.start();
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(pidFile()).rejects.toMatchObject({ code: "ENOENT" });
    expect(prepared).toBe(1);
  });

  test("stop kills a Caddy that does not end on request", async () => {
    const supervisor = supervise({ timing: { stopMs: { gracefulMs: 200, killMs: 5_000 } } });
    const { pid } = await supervisor.start();
    process.kill(pid, "SIGSTOP");
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test("stop during a start leaves nothing behind", async () => {
    const supervisor = supervise();
    const starting = supervisor.start().catch((error: unknown) => error);
    await supervisor.stop();
    await starting;
    const pids = logger.entries.map((entry) => entry.fields["pid"]).filter((pid) => typeof pid === "number");
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test("stop during an upgrade leaves nothing behind", async () => {
    const first = supervise();
    await first.start();
    await first.detach();
    const newer = path.join(place.folder, "newer");
    await copyFile(place.binary, newer);
    const table = path.join(place.folder, "table.json");
    const second = supervise({
      binary: newer,
      timing: { stopMs: { gracefulMs: 200, killMs: 5_000 } },
      prepare: async () => {
        // Nobody writes there: it never has its configuration.
        spawnSync("mkfifo", [table]);
        await place.writeConfig({ gatewright: { table_file: table, resolver: { address: "127.0.0.1:53" } } });
      },
    });
    const starting = second.start().catch((error: unknown) => error);
    await until(() => findAll(place).length === 2);
    await second.stop();
    await starting;
    expect(findAll(place)).toEqual([]);
  });

  test("detach leaves Caddy running, also when it dies later", async () => {
    const supervisor = supervise();
    const { pid } = await supervisor.start();
    await supervisor.detach();
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid));
    expect(prepared).toBe(1);
  });
});

test("a manager that is killed leaves Caddy running, and the next one adopts it", async () => {
  await place.writeConfig();
  const script = path.join(place.folder, "manager.ts");
  const source = path.resolve(import.meta.dirname, "../../src/caddy/process.ts");
  const { binary, folder, adminUrl } = place;
  await writeFile(
    script,
    `import { createCaddyProcess } from ${JSON.stringify(source)};
     const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
     const options = ${JSON.stringify({ binary, folder, adminUrl })};
     const started = await createCaddyProcess({ ...options, logger, prepare: async () => {} }).start();
     console.log(started.pid);
     setInterval(() => {}, 1000);`,
  );
  const manager = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(manager.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  manager.kill("SIGKILL");
  await once(manager, "close");
  expect(await supervise().start()).toEqual({ pid, fresh: false });
});
