import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { startDebianMachine } from "../support/debian-machine.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useRelease } from "./release.ts";

const exec = promisify(execFile);
const why =
  process.env["DEBIAN_TESTS"] === undefined
    ? "DEBIAN_TESTS=1 runs the tests of the service, as root"
    : undefined;
const title = (name: string): string => (why === undefined ? name : `${name} (${why})`);
const client = resolve(import.meta.dirname, "../support/asking-client.mjs");
const instance = "require('http').createServer((q, s) => s.end('sample')).listen(3000, '127.0.0.1')";

describe.skipIf(why !== undefined)(title("a machine of Debian that systemd runs"), () => {
  const release = useRelease(true);
  const folder = use(() => temporaryFolder());
  const machine = use(() => startDebianMachine());
  const inMachine = (file: string): string => join(machine.root, file);
  const show = (property: string) =>
    machine.run("systemctl", "show", "--property", property, "--value", "gatewright");
  const caddyPid = async (): Promise<number> =>
    Number(await readFile(inMachine("var/lib/gatewright/caddy/caddy.pid"), "utf8"));
  /** Programs of the user `gatewright`, whoever started them. */
  const programs = () =>
    machine.run("ps", "--no-headers", "-o", "comm=", "-u", "gatewright").then(
      (list) => list.split("\n").filter((name) => name !== ""),
      () => [],
    );
  const exists = (file: string) =>
    stat(inMachine(file)).then(
      () => true,
      () => false,
    );

  /** Requests from four clients while something happens; how many there were, and what went wrong. */
  async function underTraffic(happen: () => Promise<void>) {
    const asking = machine.beside(process.execPath, client, "http://127.0.0.1/", "shop.test", "4", "10000");
    const answers = text(asking.stdout as NonNullable<ChildProcess["stdout"]>);
    let seen = 0;
    asking.stdout?.on("data", () => (seen += 1));
    await until(() => seen > 0);
    await happen();
    const before = seen;
    await until(() => seen > before);
    asking.stdin?.end();
    await once(asking, "exit");
    const results = (await answers)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).result as string);
    return { count: results.length, failed: results.filter((result) => result !== "sample") };
  }

  /** The package of a version, made of the one that was released. */
  async function packageOf(version: string): Promise<string> {
    const root = join(folder.path, version);
    const [deb] = (
      await exec("sh", ["-c", `ls ${release.out}/gatewright_*_$(dpkg --print-architecture).deb`])
    ).stdout
      .trim()
      .split("\n");
    await exec("dpkg-deb", ["--raw-extract", deb ?? "", root]);
    const control = join(root, "DEBIAN/control");
    await writeFile(
      control,
      (await readFile(control, "utf8")).replace(/^Version: .*$/m, `Version: ${version}`),
    );
    await exec("dpkg-deb", [
      "--root-owner-group",
      "-Zgzip",
      "-z1",
      "--build",
      root,
      inMachine(`opt/${version}.deb`),
    ]);
    return `/opt/${version}.deb`;
  }

  const packages = { older: "", newer: "" };
  beforeAll(async () => {
    packages.older = await packageOf("0.1.0");
    packages.newer = await packageOf("0.2.0");
    machine.beside(process.execPath, "-e", instance);
  }, 120_000);

  test("the package starts the service, as a user of its own, and a request is served at port 80", async () => {
    const began = performance.now();
    await machine.run("dpkg", "--install", packages.older);
    expect(await show("ActiveState")).toBe("active");
    await machine.run("gatewright", "instance", "put", "web-1", "--ip", "127.0.0.1");
    await machine.run("gatewright", "ingress", "create", "shop", "--host", "shop.test", "--to", "web-1:3000");
    const ask = () => machine.run("ss", "-Hltn", "sport = :80");
    await until(async () => (await ask()) !== "");
    const { count, failed } = await underTraffic(async () => undefined);
    console.log(`dpkg to the first proxied request: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    expect(failed).toEqual([]);
    expect(count).toBeGreaterThan(0);
    expect((await programs()).length).toBeGreaterThanOrEqual(2);
    expect(await machine.run("systemctl", "show", "-P", "StatusText", "gatewright")).toContain("API at");
  }, 120_000);

  test("a restart, and a manager that is killed, lose no request, and Caddy is the same one", async () => {
    const [manager, caddy] = [await show("MainPID"), await caddyPid()];
    const restarted = await underTraffic(async () => {
      await machine.run("systemctl", "restart", "gatewright");
    });
    expect(restarted.failed).toEqual([]);
    const next = await show("MainPID");
    expect(next).not.toBe(manager);
    const killed = await underTraffic(async () => {
      await machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "gatewright");
      await until(async () => ![next, "0"].includes(await show("MainPID")));
      await until(async () => (await show("ActiveState")) === "active");
    });
    expect(killed.failed).toEqual([]);
    expect(await caddyPid()).toBe(caddy);
  }, 120_000);

  test("a reload has the settings be read again, by the same processes", async () => {
    const [manager, caddy] = [await show("MainPID"), await caddyPid()];
    await machine.run("systemctl", "reload", "gatewright");
    const log = () => machine.run("journalctl", "--no-pager", "--unit", "gatewright", "--output", "cat");
    await until(async () => (await log()).includes("the settings were read again"));
    expect([await show("MainPID"), await caddyPid()]).toEqual([manager, caddy]);
  }, 60_000);

  test("the watchdog replaces a manager that hangs, while Caddy serves", async () => {
    const drop = inMachine("etc/systemd/system/gatewright.service.d");
    await mkdir(drop);
    await writeFile(join(drop, "soon.conf"), "[Service]\nWatchdogSec=3\n");
    await machine.run("systemctl", "daemon-reload");
    await machine.run("systemctl", "restart", "gatewright");
    const [manager, caddy] = [await show("MainPID"), await caddyPid()];
    const { failed } = await underTraffic(async () => {
      await machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "gatewright");
      await until(async () => ![manager, "0"].includes(await show("MainPID")), 60_000);
      await until(async () => (await show("ActiveState")) === "active");
    });
    expect(failed).toEqual([]);
    expect(await machine.run("journalctl", "--no-pager", "--unit", "gatewright")).toMatch(/watchdog/i);
    expect(await caddyPid()).toBe(caddy);
  }, 180_000);

  test("an upgrade, and the way back, lose no request, and the newer Caddy takes over", async () => {
    for (const file of [packages.newer, packages.older]) {
      const [manager, caddy] = [await show("MainPID"), await caddyPid()];
      const { failed, count } = await underTraffic(async () => {
        await machine.run("dpkg", "--install", "--force-downgrade", file);
        await until(async () => (await caddyPid()) !== caddy);
      });
      console.log(`${file}: ${count} requests, ${failed.length} failed`);
      expect(failed).toEqual([]);
      expect(await show("MainPID")).not.toBe(manager);
      expect(await show("ActiveState")).toBe("active");
      expect(await machine.run("gatewright", "ingress", "list", "-o", "name")).toContain("shop");
    }
  }, 180_000);

  test("a stop leaves Caddy serving, and gatewright stop --caddy ends it", async () => {
    const { failed } = await underTraffic(async () => {
      await machine.run("systemctl", "stop", "gatewright");
    });
    expect(failed).toEqual([]);
    expect(await programs()).toEqual(["caddy"]);
    await machine.run("env", "DATA_DIR=/var/lib/gatewright", "gatewright", "stop", "--caddy", "--yes");
    await until(async () => (await programs()).length === 0);
    await machine.run("systemctl", "start", "gatewright");
    expect((await underTraffic(async () => undefined)).failed).toEqual([]);
  }, 120_000);

  test("removing the package ends both and leaves data; purging removes it", async () => {
    await machine.run("dpkg", "--remove", "gatewright");
    expect(await programs()).toEqual([]);
    expect([
      await exists("var/lib/gatewright/ingresses"),
      await exists("etc/gatewright/gatewright.env"),
    ]).toEqual([true, true]);
    await machine.run("dpkg", "--install", packages.newer);
    expect((await underTraffic(async () => undefined)).failed).toEqual([]);
    await machine.run("dpkg", "--purge", "gatewright");
    expect(await programs()).toEqual([]);
    for (const place of [
      "var/lib/gatewright",
      "var/cache/gatewright",
      "etc/gatewright",
      "usr/lib/gatewright",
    ])
      expect(await exists(place), place).toBe(false);
  }, 120_000);

  test("gatewright service install makes the same of the package of npm, and uninstall leaves data", async () => {
    const home = "usr/local/lib/node_modules/gatewright";
    await cp(join(release.out, "npm/gatewright"), inMachine(home), { recursive: true });
    const caddy = `caddy-linux-${process.arch}`;
    await cp(join(release.out, "npm", caddy), inMachine(`${home}/node_modules/@gatewright/${caddy}`), {
      recursive: true,
    });
    await copyFile(process.execPath, inMachine("usr/local/bin/node"));
    await symlink("../lib/node_modules/gatewright/bin/gatewright.mjs", inMachine("usr/local/bin/gatewright"));
    const cli = ["/usr/local/bin/node", "/usr/local/bin/gatewright"];
    await machine.run(...cli, "service", "install");
    expect(await show("ActiveState")).toBe("active");
    expect(await machine.run(...cli, "service", "status")).toContain("active");
    await machine.run(...cli, "service", "uninstall", "--yes");
    expect(await programs()).toEqual([]);
    expect([
      await exists("var/lib/gatewright"),
      await exists("etc/systemd/system/gatewright.service"),
    ]).toEqual([true, false]);
  }, 120_000);
});
