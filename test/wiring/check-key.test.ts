import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkKey } from "../../src/wiring/check-key.ts";

let top: string;
const source = () => join(top, "src");

beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), "gatewright-key-"));
  await mkdir(join(source(), "model"), { recursive: true });
  await writeFile(join(top, "package.json"), "{}");
  await writeFile(join(source(), "main.ts"), "1");
  await writeFile(join(source(), "model/rule.ts"), "2");
});
afterEach(() => rm(top, { recursive: true, force: true }));

const ports = { httpPort: 80, httpsPort: 443 };

it("stays the same for the same source and settings", () => {
  expect(checkKey(ports, source())).toBe(checkKey({ ...ports }, source()));
  expect(checkKey(ports)).toMatch(/^[0-9a-f]{32}$/);
});

it.each<[string, () => Promise<void>]>([
  ["a changed file", () => writeFile(join(source(), "model/rule.ts"), "3")],
  ["a further file", () => writeFile(join(source(), "model/more.json"), "{}")],
  ["a removed file", () => rm(join(source(), "model/rule.ts"))],
  ["another dependency", () => writeFile(join(top, "package.json"), '{"dependencies":{"ajv":"9.0.0"}}')],
])("changes with %s", async (_, change) => {
  const before = checkKey(ports, source());
  await change();
  expect(checkKey(ports, source())).not.toBe(before);
});

it("changes with the settings", () => {
  expect(checkKey({ ...ports, httpPort: 8080 }, source())).not.toBe(checkKey(ports, source()));
});
