import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
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

  describe.skipIf(process.geteuid?.() !== 0)("for root", () => {
    const other = 4_242;
    // Who asks first builds it.
    beforeAll(async () => void (await builtCaddy()), 180_000);

    it.each(["", "caddy", "caddy/config.json", "ingresses"])(
      "of another user at %j is refused",
      async (name) => {
        await chown(join(dataDir, name), other, other);
        expect(problems()).toEqual([expect.stringMatching(/belongs to user 4242, and Gatewright runs as 0/)]);
      },
    );

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
