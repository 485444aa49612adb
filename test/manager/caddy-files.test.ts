import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Table } from "../../src/compiler/row.ts";
import { CaddyFiles } from "../../src/manager/caddy-files.ts";
import type { Ingress } from "../../src/model/api.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";

let root: TemporaryFolder;
let folder: string;
let files: CaddyFiles;
beforeEach(async () => {
  root = await temporaryFolder();
  folder = join(root.path, "data", "caddy");
  files = new CaddyFiles(folder);
});
afterEach(() => root[Symbol.asyncDispose]());

const settings = compilerSettings();
const { config } = compile([], settings);

function ingress(index: number): Ingress {
  const rule = (hostname: string) => ({
    match: { hostname, port: 80 },
    target: { instance: "web-1", port: 80 },
    tls: false,
    redirect_http: false,
  });
  // Long names, so that few of them make a large table.
  const hostname = `h${index}.${"l".repeat(60)}.${"m".repeat(60)}.test`;
  const id = `i${String(index).padStart(5, "0")}`;
  return { id, name: id, rules: [rule(hostname), rule(`other-${hostname}`)], created_at: "", updated_at: "" };
}

const readTable = async (): Promise<Table> =>
  JSON.parse(await readFile(join(folder, "table.json"), "utf8")) as Table;

describe("the files of Caddy", () => {
  // 2,500 make more than what is gathered before it is written.
  it.each([0, 1, 2, 2_500])("hold what is compiled of %i ingresses", async (count) => {
    const ingresses = Array.from({ length: count }, (_, index) => ingress(index));
    await files.writeConfig(config);
    await files.writeTable(ingresses, settings);
    expect(await readTable()).toEqual(compile(ingresses, settings).table);
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(config);
  });

  it("are their owner's alone, and nothing stands beside them", async () => {
    await files.writeConfig(config);
    await files.writeTable([ingress(1)], settings);
    expect((await readdir(folder)).sort()).toEqual(["config.json", "table.json"]);
    for (const name of ["", "config.json", "table.json"])
      expect((await stat(join(folder, name))).mode & 0o077).toBe(0);
  });

  it("make the folder, whichever comes first", async () => {
    await files.writeTable([], settings);
    expect(await readdir(folder)).toEqual(["table.json"]);
    await rm(folder, { recursive: true });
    await files.writeConfig(config);
    expect(await readdir(folder)).toEqual(["config.json"]);
  });

  it("replace what a killed process left half written", async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "table.json.tmp"), "half", { mode: 0o644 });
    await files.writeTable([ingress(1)], settings);
    expect((await readTable()).rows).toHaveLength(2);
    expect((await stat(join(folder, "table.json"))).mode & 0o777).toBe(0o600);
  });
});

describe("a table that cannot be written", () => {
  it("is refused, and nothing of it is left", async () => {
    await mkdir(join(folder, "table.json", "full"), { recursive: true });
    await expect(files.writeTable([ingress(1)], settings)).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("table.json could not be written"),
    });
    expect(await readdir(folder)).toEqual(["table.json"]);
  });

  it("leaves the former one", async () => {
    await files.writeTable([ingress(1)], settings);
    const broken = function* (): Generator<Ingress> {
      yield ingress(2);
      throw new Error("broken");
    };
    await expect(files.writeTable(broken(), settings)).rejects.toMatchObject({ code: "store_unavailable" });
    expect((await readTable()).rows.map(({ ingress: name }) => name)).toEqual(["i00001", "i00001"]);
    expect(await readdir(folder)).toEqual(["table.json"]);
  });
});

it.each<[string, boolean, readonly (readonly [string, string])[]]>([
  ["none is there", false, []],
  ["the table is missing", false, [["config.json", "{}"]]],
  ["the configuration is missing", false, [["table.json", "{}"]]],
  [
    "the table is empty",
    false,
    [
      ["config.json", "{}"],
      ["table.json", ""],
    ],
  ],
  [
    "the configuration is empty",
    false,
    [
      ["config.json", ""],
      ["table.json", "{}"],
    ],
  ],
  [
    "both are there",
    true,
    [
      ["config.json", "{}"],
      ["table.json", "{}"],
    ],
  ],
])("when %s, a Caddy can start from them: %s", async (_, exist, present) => {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of present) await writeFile(join(folder, name), text);
  expect(await files.exist()).toBe(exist);
});
