import { symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { call, visit } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { builtCaddy } from "../support/caddy-binary.ts";
import { freePorts, portSettings } from "../support/gatewright.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../bin/gatewright.mjs");

it("a session at a terminal, from nothing to a rollback and to the end", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using backend = await startBackend();
  symlinkSync(program, join(folder.path, "gatewright"));
  const ports = await freePorts();
  const { CADDY_ADMIN_PORT: _, ...settings } = portSettings(ports);
  const env = {
    ...settings,
    PATH: `${folder.path}:${join(process.execPath, "..")}:${process.env["PATH"]}`,
    HOME: folder.path,
    DATA_DIR: join(folder.path, "data"),
    CADDY_LISTEN_ADDRESS: "127.0.0.1",
    CADDY_BIN: await builtCaddy(),
    GATEWRIGHT_URL: `http://127.0.0.1:${ports.api}`,
    EDITOR: "sed -i s/shop.test/store.test/",
  };
  const answers = async (host: string) => (await visit(ports.http, host)).status;
  await using server = await Terminal.open({ cwd: folder.path, env });
  await using terminal = await Terminal.open({ cwd: folder.path, env });

  expect(await terminal.run("gatewright status", 5)).toContain("no Gatewright answers at");
  server.begin("gatewright up");
  await server.see(`127.0.0.1:${ports.api}`);
  expect(await terminal.run("gatewright status")).toContain("✓ all is well");
  // In a clone it is built beside the start.
  const page = { headers: { accept: "text/html" } };
  await until(async () => (await call(env.GATEWRIGHT_URL, page)).status === 200, 60_000);
  expect(await terminal.run("gatewright ingress list")).toContain(
    "There is no such ingress. `gatewright ingress create` makes one.",
  );

  await terminal.run("gatewright instance put web-1 --ip 127.0.0.1");
  expect(
    await terminal.run(`gatewright ingress create shop --host shop.test --to web-1:${backend.port}`),
  ).toContain("is served.");
  expect(await terminal.run("gatewright ingress list")).toMatch(/^NAME +TAKES.*\nshop +http:\/\/shop\.test/m);
  expect(await answers("shop.test")).toBe(200);

  terminal.begin("gatewright ingress edit shop --message 'another name'");
  expect(await terminal.see("Apply this? [y/N] ")).toContain("store.test");
  terminal.type("y");
  expect(await terminal.end()).toContain("Ingress shop is changed.");
  expect([await answers("shop.test"), await answers("store.test")]).toEqual([404, 200]);

  const blog = `name: blog\\nrules:\\n- match: {hostname: blog.test}\\n  target: {instance: web-1, port: ${backend.port}}\\n`;
  await terminal.run(`printf '${blog}' > blog.yaml`);
  expect(await terminal.run("gatewright plan -f blog.yaml")).toContain(
    "1 to create, 0 to change, 0 to delete, 0 as they are.",
  );
  expect(await terminal.run("gatewright apply -f blog.yaml")).toContain("1 created, 0 changed");
  terminal.begin("gatewright apply -f blog.yaml --prune");
  expect(await terminal.see("Delete 1 ingress? [y/N] ")).toContain("- shop");
  terminal.type("n");
  expect(await terminal.end(1)).toContain("Nothing was changed.");

  const [newest = "", edited = "", created = ""] = (await terminal.run("gatewright revision list -o name"))
    .trim()
    .split("\n")
    .map((one) => one.replace("revision/", ""));
  expect(await terminal.run(`gatewright revision diff ${newest}`)).toContain("+ blog");
  expect(await terminal.run(`gatewright revision show ${edited}`)).toMatch(/another name[\s\S]*~ shop/);
  terminal.begin(`gatewright revision rollback ${created}`);
  expect(await terminal.see("Roll back? [y/N] ")).toMatch(/- blog[\s\S]*~ shop|~ shop[\s\S]*- blog/);
  terminal.type("y");
  expect(await terminal.end()).toContain("Rolled back: revision 4.");
  expect([await answers("shop.test"), await answers("store.test"), await answers("blog.test")]).toEqual([
    200, 404, 404,
  ]);
  expect(await terminal.run("gatewright explain http://shop.test/")).toContain("Ingress shop takes it.");

  terminal.begin("gatewright ingress delete shop");
  await terminal.see("Delete shop? [y/N] ");
  terminal.type("y");
  expect(await terminal.end()).toContain("Ingress shop is deleted.");
  expect(await terminal.run("gatewright stop --caddy --yes")).toContain(
    "Caddy has ended: nothing is served any more.",
  );
  await server.end();
  expect(await terminal.run("gatewright stop")).toContain("No Gatewright runs");
});
