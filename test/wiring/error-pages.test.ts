import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readErrorPages } from "../../src/wiring/error-pages.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatewright-pages-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("ERROR_PAGES_DIR", () => {
  it("has pages by status and class; other files are left alone", async () => {
    await writeFile(join(folder, "502.html"), "<p>502</p>");
    await writeFile(join(folder, "4xx.txt"), "4xx");
    await writeFile(join(folder, "503.html"), "");
    for (const name of ["README.md", "200.html", "502.html.bak", ".404.html"])
      await writeFile(join(folder, name), "x");
    expect(await readErrorPages(folder)).toEqual({ "4xx": "4xx", "502": "<p>502</p>" });
  });

  it("is not needed", async () => {
    expect(await readErrorPages(undefined)).toEqual({});
  });

  it("stops the start with every problem", async () => {
    await writeFile(join(folder, "502.html"), "x".repeat(65_537));
    await writeFile(join(folder, "404.html"), "a");
    await writeFile(join(folder, "404.txt"), "b");
    await mkdir(join(folder, "503.html"));
    await expect(readErrorPages(folder)).rejects.toMatchObject({
      code: "config_invalid",
      details: [
        { message: expect.stringContaining("two pages for 404") },
        { message: expect.stringContaining("502.html has more than") },
        { message: expect.stringContaining("503.html cannot be read") },
      ],
    });
    await expect(readErrorPages(join(folder, "missing"))).rejects.toMatchObject({ code: "config_invalid" });
  });
});
