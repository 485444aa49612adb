import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import type { Ingress } from "../../src/model/api.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

interface GoldenCase {
  readonly about: string;
  readonly settings?: Partial<CompilerSettings>;
  readonly ingresses: readonly Ingress[];
  readonly want?: unknown;
}

const folder = join(import.meta.dirname, "../golden");
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));

/** Each file of test/golden is a case; `UPDATE_GOLDEN=1` writes what the compiler renders into it, for a reviewer to read. */
describe("golden cases", () => {
  it("exist", () => expect(files.length).toBeGreaterThan(5));

  it.each(files)("%s", (file) => {
    const path = join(folder, file);
    const golden = JSON.parse(readFileSync(path, "utf8")) as GoldenCase;
    const rendered: unknown = JSON.parse(
      JSON.stringify(compile(golden.ingresses, compilerSettings(golden.settings))),
    );
    if (process.env["UPDATE_GOLDEN"] === "1") {
      writeFileSync(path, `${JSON.stringify({ ...golden, want: rendered }, null, 2)}\n`);
      return;
    }
    expect(rendered).toEqual(golden.want);
  });
});
