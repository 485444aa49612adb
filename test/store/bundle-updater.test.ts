import { mkdir, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { draftBundle, readBundle } from "../../src/store/bundle/bundle.ts";
import { type BundleSettings, BundleUpdater } from "../../src/store/bundle/bundle-updater.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

let folder: string;
let remove: () => Promise<void>;
let updater: BundleUpdater | undefined;
/** How many bundles were begun. */
let begun: number;
let errors: unknown[];
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  remove = () => temporary[Symbol.asyncDispose]();
  await writeFile(join(folder, "a.json"), '{"id":"a"}', { mode: 0o600 });
  begun = 0;
  errors = [];
  // The processes that write bundles have time of their own.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(async () => {
  await updater?.close();
  updater = undefined;
  vi.useRealTimers();
  await remove();
});

function start(
  present: { readonly documents: number; readonly stale: number },
  settings: Partial<BundleSettings> = {},
): BundleUpdater {
  updater = new BundleUpdater(
    {
      folder,
      fewest: 10,
      delayMs: 5_000,
      intervalMs: 60_000,
      pending: () => {
        begun += 1;
        return 0;
      },
      onError: (error) => errors.push(error),
      ...settings,
    },
    present,
  );
  return updater;
}
const isWritten = (): Promise<boolean> =>
  stat(join(folder, ".bundle")).then(
    () => true,
    () => false,
  );
/** Until the process that writes has ended, so that much that has changed is noted for the next bundle. */
const isIdle = (one: BundleUpdater): Promise<void> =>
  expect
    .poll(
      () => {
        one.note(1_000);
        return vi.getTimerCount();
      },
      { timeout: 15_000 },
    )
    .toBe(1);

describe("a bundle is begun", () => {
  it.each([
    [9, 9, 0],
    [10, 10, 1],
    // A tenth of many is more than the fewest.
    [1_000, 99, 0],
    [1_000, 100, 1],
    [0, 10, 1],
  ])(
    "of %i documents of which %i are stale: %i times, once the delay is over",
    async (documents, stale, times) => {
      start({ documents, stale });
      vi.advanceTimersByTime(4_999);
      expect(begun).toBe(0);
      vi.advanceTimersByTime(1);
      expect(begun).toBe(times);
    },
  );

  it("when enough has changed since the start, counted together", () => {
    const one = start({ documents: 100, stale: 4 });
    one.note(5);
    vi.advanceTimersByTime(60_000);
    expect(begun).toBe(0);
    one.note(1);
    one.note(1);
    vi.advanceTimersByTime(60_000);
    expect(begun).toBe(1);
  });

  it("by nobody who is closed", async () => {
    const one = start({ documents: 10, stale: 10 });
    await one.close();
    one.note(100);
    vi.advanceTimersByTime(600_000);
    expect(begun).toBe(0);
  });
});

describe("a bundle that is written", () => {
  it("is followed by another a minute later at the earliest, and when enough has changed", async () => {
    const one = start({ documents: 100, stale: 100 });
    vi.advanceTimersByTime(5_000);
    await expect.poll(isWritten, { timeout: 15_000 }).toBe(true);
    await isIdle(one);
    vi.advanceTimersByTime(59_000);
    expect(begun).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(begun).toBe(2);
    expect(errors).toEqual([]);
  });

  it("is put in place by nobody who was closed meanwhile, and leaves nothing", async () => {
    const one = start({ documents: 100, stale: 100 });
    vi.advanceTimersByTime(5_000);
    await one.close();
    expect(await isWritten()).toBe(false);
    expect(await readdir(folder)).toEqual(["a.json"]);
    expect(errors).toEqual([]);
  });
});

describe("a bundle that cannot be written", () => {
  it("is reported with the reason, and tried again a minute later", async () => {
    await rm(folder, { recursive: true });
    const one = start({ documents: 100, stale: 100 });
    vi.advanceTimersByTime(5_000);
    await expect.poll(() => errors.length, { timeout: 15_000 }).toBe(1);
    expect(String(errors[0])).toContain("ENOENT");
    await mkdir(folder);
    await isIdle(one);
    vi.advanceTimersByTime(60_000);
    expect(begun).toBe(2);
    await expect.poll(isWritten, { timeout: 15_000 }).toBe(true);
    expect(errors).toHaveLength(1);
  });

  it("is reported where it cannot be put in place", async () => {
    await mkdir(join(folder, ".bundle", "full"), { recursive: true });
    start({ documents: 100, stale: 100 });
    vi.advanceTimersByTime(5_000);
    await expect.poll(() => errors.length, { timeout: 15_000 }).toBe(1);
    expect(errors[0]).toMatchObject({ syscall: "rename" });
  });

  it("is reported once where the rules cannot be loaded", async () => {
    const documentCheck = { key: "a1", module: join(folder, "none.ts"), settings: undefined };
    start({ documents: 100, stale: 100 }, { documentCheck });
    vi.advanceTimersByTime(5_000);
    await expect.poll(() => errors.length, { timeout: 15_000 }).toBe(1);
    expect(String(errors[0])).toContain("none.ts");
  });
});

describe("a draft", () => {
  it("has the name of its process, and is closed and gone when it cannot be written", async () => {
    const name = `.tmp-.bundle-${process.pid}`;
    const descriptors = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
    const now = () => Date.now() + 60_000;
    const before = await descriptors();
    expect(draftBundle(folder, { now }).name).toBe(name);
    expect(await descriptors()).toBe(before);
    await rm(join(folder, name));
    await symlink("/dev/full", join(folder, name));
    expect(() => draftBundle(folder, { now })).toThrow("ENOSPC");
    expect(await readdir(folder)).toEqual(["a.json"]);
    expect(await descriptors()).toBe(before);
    expect([...readBundle(folder)]).toEqual([]);
    expect(await descriptors()).toBe(before);
  });
});
