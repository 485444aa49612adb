import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pageOf } from "../../scripts/generate-cli.ts";

it("docs/cli.md has the commands and options of the program (npm run generate)", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
  expect(page).toBe(pageOf(page));
});
