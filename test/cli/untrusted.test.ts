import { expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { CliHome } from "../support/run-cli.ts";
import { use } from "../support/use.ts";

const api = use(() => startApi({ instances: [instanceFrom({ name: "web-1" })] }));
const home = (): CliHome => new CliHome({ GATEWRIGHT_URL: api.url });
const document = (message: string) => ({
  name: "shop",
  rules: [
    {
      match: { hostname: "shop.test" },
      target: { instance: "web-1", port: 80 },
      policies: { maintenance: { message } },
    },
  ],
});

it("texts of others do not move the terminal's cursor", async () => {
  using cli = home();
  const missing = await cli.run(["ingress", "get", "a\u001b[2Jb\u009bc"]);
  expect(missing).toMatchObject({ code: 3, stderr: expect.stringContaining("a [2Jb c") });
  const input = JSON.stringify(document("back soon\u001b[2J"));
  expect(await cli.run(["apply", "-f", "-"], { input })).toMatchObject({ code: 0 });
  const planned = await cli.run(["plan", "-f", "-"], { input: JSON.stringify(document("now\u001b[2J")) });
  for (const { stderr, stdout } of [planned, await cli.run(["revision", "show", "1"])])
    expect(`${stdout}${stderr}`).not.toContain("\u001b");
});

it.each([
  ["lead back to themselves", "name: a\nrules: &a [*a]\n"],
  [
    "grow without end",
    [
      "a0: &a0 [x]",
      ...Array.from({ length: 9 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`)}]`),
    ].join("\n"),
  ],
])("aliases of YAML that %s are a mistake in the file", async (_, input) => {
  using cli = home();
  const refused = await cli.run(["plan", "-f", "-"], { input });
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^error: the standard input: its aliases cannot be resolved: .*\n$/);
});

it("an editor that deletes the text changes nothing", async () => {
  using cli = home();
  const edited = await cli.run(["ingress", "edit", "shop"], { env: { EDITOR: "rm" } });
  expect(edited).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^error: the editor left no text.*\n$/),
  });
});
