import { appendFile, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileResolver } from "../../src/resolver/file.ts";
import type { ResolverChange } from "../../src/resolver/instance-resolver.ts";
import { type InstanceSketch, instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { instanceResolverContract } from "./instance-resolver.contract.ts";

const web: InstanceSketch = { id: "aaa111", name: "web", ip: "10.0.0.1" };
const moved: InstanceSketch = { ...web, ip: "10.0.0.2" };

let folder: string;
let path: string;
let resolver: FileResolver | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatewright-instances-"));
  path = join(folder, "instances.json");
});
afterEach(async () => {
  await resolver?.close();
  resolver = undefined;
  await rm(folder, { recursive: true });
});

function text(...sketches: InstanceSketch[]): string {
  return JSON.stringify(sketches.map(instanceFrom));
}

/** Follows the file by the system's notices alone. */
async function follow(intervalMs = 600_000): Promise<FileResolver> {
  resolver = new FileResolver({ path, intervalMs, logger: recordingLogger() });
  await resolver.start();
  return resolver;
}

async function untilAt(file: FileResolver, ip: string): Promise<void> {
  await until(() => {
    const resolution = file.resolve("web");
    return resolution.kind === "addresses" && resolution.addresses[0] === ip;
  });
}

instanceResolverContract("a followed file", async (initial) => {
  const home = await mkdtemp(join(tmpdir(), "gatewright-contract-"));
  const file = join(home, "instances.json");
  await writeFile(file, text(...initial));
  const followed = new FileResolver({ path: file, logger: recordingLogger() });
  await followed.start();
  return {
    resolver: followed,
    set: async (sketches) => {
      await writeFile(`${file}.new`, text(...sketches));
      await rename(`${file}.new`, file);
    },
    close: async () => {
      await followed.close();
      await rm(home, { recursive: true });
    },
  };
});

describe("a change", () => {
  it("is seen when the file is written in place", async () => {
    await writeFile(path, text(web));
    const file = await follow();
    await writeFile(path, text(moved));
    await untilAt(file, "10.0.0.2");
  });

  it("is seen when another file is renamed over it, again and again", async () => {
    await writeFile(path, text(web));
    const file = await follow();
    for (let round = 1; round < 20; round++) {
      await writeFile(`${path}.new`, text({ ...web, ip: `10.0.1.${round}` }));
      await rename(`${path}.new`, path);
      await untilAt(file, `10.0.1.${round}`);
    }
  });

  it("is seen when a symbolic link in the folder changes its end, as mounted configuration does", async () => {
    for (const [version, sketch] of [["v1", web] as const, ["v2", moved] as const]) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, "instances.json"), text(sketch));
    }
    await symlink("v1", join(folder, "data"));
    await symlink("data/instances.json", path);
    const file = await follow();
    expect(file.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
    await symlink("v2", join(folder, "data.new"));
    await rename(join(folder, "data.new"), join(folder, "data"));
    await untilAt(file, "10.0.0.2");
  });

  it("is seen at the next look where the system sends no notice", async () => {
    const outside = await mkdtemp(join(tmpdir(), "gatewright-outside-"));
    await writeFile(join(outside, "real.json"), text(web));
    await symlink(join(outside, "real.json"), path);
    const file = await follow(20);
    await writeFile(join(outside, "real.json"), text(moved));
    await untilAt(file, "10.0.0.2");
    await rm(outside, { recursive: true });
  });

  it("may be half written: the last good content stays until the rest is there", async () => {
    await writeFile(path, text(web));
    const file = await follow();
    const changes: ResolverChange[] = [];
    file.watch((change) => changes.push(change));
    const next = text(moved);
    await writeFile(path, next.slice(0, 40));
    await until(() => file.status().state === "failing");
    expect(file.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
    expect(file.resolve("other").kind).toBe("unavailable");
    await appendFile(path, next.slice(40));
    await untilAt(file, "10.0.0.2");
    expect(file.status()).toEqual({ state: "ok", instances: 1, lastSuccessAt: expect.any(String) });
    expect(changes).toEqual([{ names: ["web", "aaa111"] }]);
  });
});

describe("a wrong file", () => {
  it.each([
    ["", /not JSON/],
    ["{}", /not a JSON array/],
    ['[{"id":"x"}]', /\[0\]: `name`/],
    [JSON.stringify([instanceFrom(web), instanceFrom(web)]), /\[1\]: id "aaa111" occurs twice/],
    ['[{"id":"x","name":"y","network":{"ip":5}}]', /network\.ip/],
  ])("with %j changes nothing, and is told by status()", async (content, reason) => {
    await writeFile(path, text(web));
    const file = await follow();
    await writeFile(path, content);
    await until(() => reason.test(file.status().lastError ?? ""));
    expect(file.list().map((instance) => instance.name)).toEqual(["web"]);
    await writeFile(path, text(web));
    await until(() => file.status().state === "ok");
  });

  it("that is missing is unavailable until it comes, and stays known when it goes", async () => {
    const file = await follow();
    expect(file.resolve("web")).toEqual({ kind: "unavailable", reason: expect.stringContaining("ENOENT") });
    expect((await file.reference("web")).kind).toBe("unavailable");
    await writeFile(path, text(web));
    await untilAt(file, "10.0.0.1");
    await unlink(path);
    await until(() => file.status().state === "failing");
    expect(file.resolve("web").kind).toBe("addresses");
  });

  it("may be in a folder that comes later", async () => {
    path = join(folder, "later", "instances.json");
    const file = await follow(20);
    await mkdir(join(folder, "later"));
    await writeFile(path, text(web));
    await untilAt(file, "10.0.0.1");
  });
});
