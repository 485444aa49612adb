import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { CliHome } from "../support/run-cli.ts";
import { use } from "../support/use.ts";

const from = use(() => startApi({ instances: [instanceFrom({ name: "web-1" })] }));
const to = use(() => startApi());
const home = use(async () => new CliHome({ GATEWRIGHT_URL: from.url }));

const there = { env: { GATEWRIGHT_URL: "" } };
const path = (name: string) => join(home.path, name);

it("everything is exported to a file for its owner, and imported from it", async () => {
  there.env.GATEWRIGHT_URL = to.url;
  await home.run(["ingress", "create", "shop", "--host", "shop.test", "--to", "web-1:80"]);
  writeFileSync(path("passphrase"), "correct horse battery\nanother line\n");
  const encryption = ["--passphrase-file", path("passphrase")];
  const made = await home.run(["export", "--file", path("all.age"), ...encryption]);
  expect(made).toEqual({ code: 0, stdout: "", stderr: `Everything is in ${path("all.age")}, encrypted.\n` });
  expect(statSync(path("all.age")).mode & 0o777).toBe(0o600);
  const listed = await home.run(["ingress", "list", "-o", "json"]);
  const refused = await home.run(["import", path("all.age")], there);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("give its passphrase")]);
  const imported = await home.run(["import", path("all.age"), ...encryption], there);
  expect(imported).toMatchObject({ code: 0, stderr: "" });
  expect(imported.stdout).toContain(
    ": 1 ingresses, 1 instances (0 of them drained or paused), 0 certificates, 0 tokens.",
  );
  expect(imported.stdout).toContain("Settings that were given there and are not here: JWT_SECRET.");
  expect((await home.run(["ingress", "list", "-o", "json"], there)).stdout).toBe(listed.stdout);
  const again = await home.run(["import", path("all.age"), ...encryption], there);
  expect([again.code, again.stderr]).toEqual([4, expect.stringContaining("1 instance, 1 ingress;")]);
});

it("mistakes are met by words, and leave no half a file", async () => {
  expect(await home.run(["export", "--file", path("none/all")])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("ENOENT"),
  });
  expect(await home.run(["import", path("nothing")], there)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("cannot be read"),
  });
  expect(await home.run(["import", "--passphrase-file", path("nothing"), "-"])).toMatchObject({ code: 2 });
  writeFileSync(path("blank"), "\n");
  expect((await home.run(["export", "--passphrase-file", path("blank")])).stderr).toContain(
    "no passphrase in its first line",
  );
  const onTerminal = await home.run(["export"], { terminal: 80 });
  expect([onTerminal.code, onTerminal.stdout]).toEqual([2, expect.stringContaining("give --file")]);
  const piped = await home.run(["export"]);
  expect(piped.stdout.split("\n").at(-2)).toMatch(/^\{"end":/);
  writeFileSync(path("cut"), piped.stdout.slice(0, -90));
  await using empty = await startApi();
  const cut = await home.run(["import", path("cut")], { env: { GATEWRIGHT_URL: empty.url } });
  expect([cut.code, cut.stderr]).toEqual([2, expect.stringContaining("cannot be imported")]);
  const whole = await home.run(["import", "-", "-o", "json"], {
    env: { GATEWRIGHT_URL: empty.url },
    input: piped.stdout,
  });
  expect(JSON.parse(whole.stdout)).toMatchObject({ ingresses: 1 });
  expect(readFileSync(path("passphrase"), "utf8")).toContain("correct");
});
