import { spawn } from "node:child_process";
import { copyFile, link, mkdir, rename, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { findDraining, findRunningCaddy, isDraining } from "../../src/caddy/running-caddy.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

test("one that finishes is found by an empty file, which a full disk leaves of what it would say", async () => {
  await using place = await temporaryFolder();
  const paths = { folder: place.path, binary: "/bin/sh" };
  await writeFile(path.join(place.path, "run"), "while :; do sleep 1; done\n");
  await mkdir(path.join(place.path, "draining"));
  const args = ["run", "--config", path.join(place.path, "config.json")];
  const child = spawn("sh", args, { cwd: place.path, stdio: "ignore" });
  try {
    const mark = path.join(place.path, "draining", String(child.pid));
    const before = Date.now();
    await writeFile(mark, "");
    const end = new Date(before + 600_000);
    await utimes(mark, new Date(), end);
    await until(() => findDraining(paths).length === 1);
    const [found] = findDraining(paths);
    expect(isDraining(paths, child.pid ?? 0)).toBe(true);
    expect(found).toMatchObject({ pid: child.pid, until: end.toISOString() });
    // The kernel's clock of files is behind by a tick.
    expect(Date.parse(found?.since ?? "")).toBeGreaterThan(before - 1000);
    expect(Date.parse(found?.since ?? "")).toBeLessThanOrEqual(Date.now());
  } finally {
    child.kill("SIGKILL");
  }
});

test("a program is told by its file, not by its path, and one whose file was replaced is outdated", async () => {
  await using place = await temporaryFolder();
  const at = (name: string): string => path.join(place.path, name);
  await copyFile("/bin/sh", at("started"));
  await link(at("started"), at("caddy"));
  await writeFile(at("run"), "while :; do sleep 1; done\n");
  const child = spawn(at("started"), ["run", "--config", at("config.json")], {
    cwd: place.path,
    stdio: "ignore",
  });
  const paths = { folder: place.path, binary: at("caddy") };
  try {
    await until(() => findRunningCaddy(paths)?.pid === child.pid);
    expect(findRunningCaddy(paths)?.outdated).toBe(false);
    await copyFile("/bin/sh", at("new"));
    await rename(at("new"), at("caddy"));
    expect(findRunningCaddy(paths)?.outdated).toBe(true);
    expect(findRunningCaddy({ ...paths, binary: at("gone") })?.outdated).toBe(true);
  } finally {
    child.kill("SIGKILL");
  }
});
