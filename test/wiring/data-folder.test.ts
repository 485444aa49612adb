import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  mkdtempDisposable,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GatewrightError } from "../../src/errors.ts";
import { checkDataFolder } from "../../src/wiring/data-folder.ts";
import { builtCaddy } from "../support/caddy-binary.ts";
import { failedStart } from "../support/failed-start.ts";

let world: string;
let dataDir: string;
beforeEach(async () => {
  world = await mkdtemp(join(tmpdir(), "gatewright-owned-"));
  dataDir = join(world, "data");
  for (const name of ["caddy/data", "ingresses", "system/binaries"])
    await mkdir(join(dataDir, name), { recursive: true, mode: 0o700 });
  await writeFile(join(dataDir, "caddy/config.json"), "{}");
  await writeFile(join(dataDir, "ingresses/one.json"), "{}");
  await writeFile(join(world, "elsewhere"), "mine");
});
afterEach(() => rm(world, { recursive: true, force: true }));

const problems = (): readonly string[] => {
  try {
    checkDataFolder(dataDir);
    return [];
  } catch (error) {
    expect(error).toMatchObject({ code: "config_invalid" });
    return (error as GatewrightError).details.map(({ message }) => message);
  }
};

describe("E8: DATA_DIR", () => {
  // Who asks first builds it.
  beforeAll(async () => void (await builtCaddy()), 180_000);

  it("of our own is fine, one that is not there yet too", async () => {
    expect(problems()).toEqual([]);
    await rm(dataDir, { recursive: true });
    expect(problems()).toEqual([]);
    dataDir = join(world, "elsewhere/below");
    expect(problems()).toEqual([]);
  });

  it.each([
    "ports.json",
    "caddy/table.json.tmp",
    "caddy/cloudflare.token",
    "system/binaries/caddy",
    "instances",
  ])("with a link at %s is refused", async (name) => {
    await symlink(join(world, "elsewhere"), join(dataDir, name));
    expect(problems()).toEqual([expect.stringMatching(`^DATA_DIR: .*/${name} is a link`)]);
  });

  it("is looked through where others may write to it", async () => {
    await symlink(join(world, "elsewhere"), join(dataDir, "ingresses/two.json"));
    await chmod(join(dataDir, "ingresses"), 0o777);
    expect(problems()).toEqual([expect.stringMatching(/two\.json is a link/)]);
  });

  it("tells every problem at once", async () => {
    for (const name of ["traffic", "instances", "caddy/c"]) await symlink(world, join(dataDir, name));
    expect(problems()).toHaveLength(3);
    expect(() => checkDataFolder(dataDir)).toThrow(/\(and 2 more problems\)$/);
  });

  it("may hold what is not Gatewright's: a folder of hypeman is taken over as it is", async () => {
    await mkdir(join(dataDir, "guests"));
    await symlink(world, join(dataDir, "guests/overlay"));
    await symlink(world, join(dataDir, "images"));
    await symlink(world, join(dataDir, "system/kernel"));
    expect(problems()).toEqual([]);
  });

  it("may be a link of ours to a folder of ours", async () => {
    const name = join(world, "link");
    await symlink(dataDir, name);
    expect(() => checkDataFolder(name)).not.toThrow();
  });

  it.each([0o777, 0o757])("below a folder that others may write to is refused: %o", async (mode) => {
    await chmod(world, mode);
    const refusal = new RegExp(`^DATA_DIR: others may write to ${world} \\(mode ${mode.toString(8)}\\)`);
    expect(problems()).toEqual([expect.stringMatching(refusal)]);
    // One that is still to be made, and one that a link leads to, are below it, too.
    const made = dataDir;
    dataDir = join(world, "new/data");
    expect(problems()).toEqual([expect.stringMatching(refusal)]);
    await using safe = await mkdtempDisposable(join(tmpdir(), "gatewright-safe-"));
    dataDir = join(safe.path, "link");
    await symlink(made, dataDir);
    expect(problems()).toEqual([expect.stringMatching(refusal)]);
    // Where only its maker may rename what is in it, it is as /tmp.
    await chmod(world, mode | 0o1000);
    expect(problems()).toEqual([]);
  });

  it.each([0o777, 0o1777, 0o1700])("that users share is refused, and keeps its mode: %o", async (mode) => {
    await chmod(dataDir, mode);
    expect(problems()).toEqual([expect.stringContaining(`${dataDir} `)]);
    const { code, output } = await failedStart({ DATA_DIR: dataDir, PORT: "0" });
    expect([code, output]).toEqual([1, expect.stringContaining("config_invalid: DATA_DIR: ")]);
    expect((await lstat(dataDir)).mode & 0o7777).toBe(mode);
  });

  it("with a mode that is only wider than needed is fine", async () => {
    await chmod(dataDir, 0o755);
    expect(problems()).toEqual([]);
  });

  it.each([
    ["/", /^DATA_DIR: \/ is a folder of the system; .* such as \/gatewright$/],
    ["/usr/../etc/", /^DATA_DIR: \/etc is a folder of the system; .* such as \/etc\/gatewright$/],
    ["/home", /\/home is a folder of the system/],
    ["/var/lib", /\/var\/lib is a folder of the system/],
    ["/root", /\/root is a folder of the system/],
  ])("that is the system's is refused, empty or not: %s", (folder, refusal) => {
    expect(() => checkDataFolder(folder)).toThrow(refusal);
  });

  it("that holds other things is refused, whatever else may be ours, and is left as it is", async () => {
    dataDir = join(world, "documents");
    await mkdir(join(dataDir, "caddy"), { recursive: true, mode: 0o755 });
    for (const name of ["a.txt", "b.txt", "c.txt", "d.txt"]) await writeFile(join(dataDir, name), "mine");
    expect(problems()).toEqual([
      `DATA_DIR: ${dataDir} holds other things than Gatewright's (a.txt, b.txt, c.txt and 1 more); name an empty folder ` +
        `or a new one, such as ${join(dataDir, "gatewright")}, or make ${join(dataDir, "ingresses")} if it is to be this one`,
    ]);
    const { code, output } = await failedStart({ DATA_DIR: dataDir, PORT: "0" });
    expect([code, output]).toEqual([1, expect.stringContaining("config_invalid: DATA_DIR: ")]);
    expect((await lstat(dataDir)).mode & 0o777).toBe(0o755);
    expect(await readdir(dataDir)).toEqual(["a.txt", "b.txt", "c.txt", "caddy", "d.txt"]);
    await mkdir(join(dataDir, "ingresses"));
    expect(problems()).toEqual([]);
  });

  it.each([
    { names: [] },
    { names: ["lost+found"] },
    { names: [".cache"] },
    { names: ["caddy", "system", "ports.json", "followed.json", "instances", "traffic", "certificates"] },
    { names: ["guests", "images", "volumes"] },
  ])("that is empty, or holds what Gatewright or hypeman has made, is fine: $names", async ({ names }) => {
    dataDir = join(world, "first");
    await mkdir(dataDir);
    for (const name of names) await mkdir(join(dataDir, name), { mode: 0o700 });
    expect(problems()).toEqual([]);
  });

  describe.skipIf(process.geteuid?.() !== 0)("for root", () => {
    const other = 4_242;
    it.each(["", "caddy", "caddy/config.json", "ingresses"])(
      "of another user at %j is refused",
      async (name) => {
        await chown(join(dataDir, name), other, other);
        expect(problems()).toEqual([expect.stringMatching(/belongs to user 4242, and Gatewright runs as 0/)]);
      },
    );

    it("below a folder of another user is refused, as is one that another user's link leads to", async () => {
      await symlink(dataDir, join(world, "link"));
      await mkdir(join(world, "theirs"), { mode: 0o755 });
      await symlink(world, join(world, "theirs/world"));
      await chown(join(world, "theirs"), other, other);
      await lchown(join(world, "link"), other, other);
      for (const [path, message] of [
        ["theirs/data", /theirs belongs to user 4242/],
        ["theirs/world/data", /theirs belongs to user 4242/],
        ["link", /link is a link of user 4242/],
        ["link/below", /link is a link of user 4242/],
      ] as const) {
        dataDir = join(world, path);
        expect(problems()).toEqual([expect.stringMatching(message)]);
      }
    });

    it("that a group may write to is refused, unless the group is root's or the owner's own", async () => {
      await chmod(world, 0o775);
      expect(problems()).toEqual([]);
      await chown(world, 0, other);
      expect(problems()).toEqual([expect.stringMatching(/others may write to .* \(mode 775\)/)]);
    });

    it("that is another user's ends the start with nothing written, there and where links lead", async () => {
      await chmod(dataDir, 0o755);
      await symlink(join(world, "elsewhere"), join(dataDir, "ports.json"));
      await chown(dataDir, other, other);
      const { code, output } = await failedStart({ DATA_DIR: dataDir, PORT: "0" });
      expect(code).toBe(1);
      expect(output).toMatch(/config_invalid: DATA_DIR: .* belongs to user 4242/);
      expect(await readFile(join(world, "elsewhere"), "utf8")).toBe("mine");
      const { mode, uid } = await lstat(dataDir);
      expect([mode & 0o777, uid]).toEqual([0o755, other]);
      await expect(lstat(join(dataDir, "ingresses/.lock"))).rejects.toThrow("ENOENT");
    });
  });
});
