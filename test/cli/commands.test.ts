import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { CliHome } from "../support/run-cli.ts";
import { Terminal } from "../support/terminal.ts";
import { use } from "../support/use.ts";

const { stdin, stdout, stderr, env } = process;
const program = createProgram({
  io: { stdin, stdout, stderr, env },
  version: "0",
  run: async () => undefined,
});

function nameOf(command: Command): string {
  return command.parent === null ? "" : `${nameOf(command.parent)} ${command.name()}`.trim();
}

const leavesOf = (command: Command): readonly Command[] =>
  command.commands.flatMap((one) => (one.commands.length === 0 ? [one] : leavesOf(one)));
const leaves = leavesOf(program).filter((one) => one.name() !== "__complete");

describe("every command", () => {
  it("that there is to be is there", () => {
    const wanted = [
      "up, stop, status, doctor, apply, plan, explain, events, logs, config, export, import, completion, api",
      "ingress list, ingress get, ingress create, ingress edit, ingress delete, ingress status, ingress traffic",
      "instance list, instance get, instance put, instance delete, instance drain, instance pause, instance resume",
      "cert list, cert get, cert import, cert delete, token list, token create, token delete",
      "revision list, revision show, revision diff, revision rollback",
      "context list, context set, context use, context delete",
    ].flatMap((line) => line.split(", "));
    const present = leaves.map(nameOf);
    expect(wanted.filter((name) => !present.includes(name))).toEqual([]);
  });

  it.each(leaves.map((command) => ({ name: nameOf(command), command })))(
    "$name says what it does and takes",
    ({ command }) => {
      expect(command.description()).toMatch(/^[A-Z].{10,}/);
      const help = command.helpInformation();
      expect(help).toContain("Usage: gatewright");
      for (const option of command.options) expect(option.description, option.flags).not.toBe("");
    },
  );

  it("that deletes can be told not to ask", () => {
    const destroying = leaves.filter(
      (one) => /delete|rollback|edit/.test(one.name()) && one.parent?.name() !== "context",
    );
    expect(destroying.length).toBeGreaterThan(5);
    for (const one of destroying)
      expect(
        one.options.map(({ long }) => long),
        nameOf(one),
      ).toContain("--yes");
  });
});

const api = use(() => startApi({ instances: [instanceFrom({ name: "web-1" })] }));
const home = use(async () => {
  const made = new CliHome({ GATEWRIGHT_URL: api.url });
  symlinkSync(resolve(import.meta.dirname, "../../bin/gatewright.mjs"), join(made.path, "gatewright"));
  return made;
});
const terminal = (more: NodeJS.ProcessEnv = {}) =>
  Terminal.open({
    cwd: home.path,
    env: {
      PATH: `${home.path}:${join(process.execPath, "..")}:${process.env["PATH"]}`,
      HOME: home.path,
      GATEWRIGHT_URL: api.url,
      ...more,
    },
  });

const set = (port: number) =>
  `name: watched\nrules:\n- match: {hostname: watched.test}\n  target: {instance: web-1, port: ${port}}\n`;

describe("what goes on until it is ended", () => {
  it("apply --watch applies a file again when it changes, and tells of one that is wrong", async () => {
    await using shell = await terminal();
    const path = join(home.path, "watched.yaml");
    writeFileSync(path, set(80));
    shell.begin("gatewright apply -f watched.yaml --watch");
    await shell.see("1 created");
    writeFileSync(path, set(81));
    await shell.see("1 changed");
    writeFileSync(path, "name: [");
    await shell.see("watched.yaml");
    writeFileSync(path, set(82));
    await shell.see("1 changed");
    await shell.interrupt();
  });

  it("apply --watch ends where there is nothing to begin with", async () => {
    const ended = await home.run(["apply", "-f", join(home.path, "nothing.yaml"), "--watch"]);
    expect(ended.code).toBe(2);
    writeFileSync(join(home.path, "bad.yaml"), "nmae: x");
    expect((await home.run(["apply", "-f", join(home.path, "bad.yaml"), "--watch"])).code).toBe(2);
  });

  it("events -f tells what happens", async () => {
    await using shell = await terminal();
    shell.begin("gatewright events -f --type instance.appeared --limit 1");
    await home.run(["instance", "put", "vm-1", "--ip", "10.0.0.1"]);
    await shell.see("instance vm-1 appeared at 10.0.0.1");
    await home.run(["instance", "put", "vm-2", "--ip", "10.0.0.2"]);
    await shell.see("instance vm-2 appeared at 10.0.0.2");
    await shell.interrupt();
  });

  it("logs -f tells what is written", async () => {
    const DATA_DIR = join(home.path, "data");
    mkdirSync(join(DATA_DIR, "caddy"), { recursive: true, mode: 0o700 });
    const path = join(DATA_DIR, "caddy/caddy.log");
    writeFileSync(path, "first line\n");
    await using shell = await terminal({ DATA_DIR });
    shell.begin("gatewright logs -f");
    await shell.see("first line");
    await appendFile(path, "second line\n");
    await shell.see("second line");
    await shell.interrupt();
  });
});

it("a plan that would be refused ends so in every form", async () => {
  const path = join(home.path, "refused.yaml");
  writeFileSync(path, set(80).replace("web-1", "nobody"));
  for (const form of ["table", "json", "yaml", "name"])
    expect([form, (await home.run(["plan", "-f", path, "-o", form])).code]).toEqual([form, 2]);
});

it.each(["bash", "zsh", "fish"])("there is a completion for %s", async (shell) => {
  expect((await home.run(["completion", shell])).stdout).toContain("gatewright __complete");
});
