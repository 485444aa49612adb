import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { CliHome } from "../support/run-cli.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-command-line-0123456";
const token = signToken(secret, { sub: "ann" });

const api = use(() =>
  startApi({ secret, instances: ["web-1", "web-2"].map((name) => instanceFrom({ name })) }),
);
const home = use(async () => new CliHome({ GATEWRIGHT_URL: api.url, GATEWRIGHT_TOKEN: token }));

/** Runs the command line and demands that it goes well. */
async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await home.run(args);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

const document = (name: string, host = `${name}.test`) => ({
  name,
  rules: [{ match: { hostname: host }, target: { instance: "web-1", port: 80 } }],
});

function file(name: string, content: unknown): string {
  const path = join(home.path, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("ingresses", () => {
  it("are created, listed, shown and deleted", async () => {
    expect(
      await run(
        "ingress",
        "create",
        "shop",
        "--host",
        "shop.test",
        "--to",
        "web-1:8080",
        "--tag",
        "team=web",
      ),
    ).toMatch(/^Ingress shop \(\w+\) is served\.\n$/);
    const [head, row] = (await run("ingress", "list")).split("\n");
    expect(head).toMatch(/^NAME +TAKES +LEADS TO +TAGS +CHANGED$/);
    expect(row).toContain(`shop  http://shop.test:${api.world.httpPort}  web-1:8080  team=web`);
    const [listed] = JSON.parse(await run("ingress", "list", "-o", "json")) as Ingress[];
    expect(listed).toMatchObject({ name: "shop", tags: { team: "web" } });
    expect(await run("ingress", "get", "shop", "-o", "yaml")).toContain("\nname: shop\n");
    expect(await run("ingress", "ls", "--search", "shop", "-o", "name")).toBe("ingress/shop\n");
    expect(await run("ingress", "list", "--tag", "team=other", "-o", "name")).toBe("");
    await run("ingress", "create", "pool", "--host", "pool.test", "--to", "web-1:80", "--to", "web-2:81");
    expect(JSON.parse(await run("ingress", "get", "pool", "-o", "json"))).toMatchObject({
      rules: [
        {
          targets: [
            { instance: "web-1", port: 80 },
            { instance: "web-2", port: 81 },
          ],
        },
      ],
    });
    await run("ingress", "delete", "shop", "pool", "--yes");
    expect(await run("ingress", "list", "-o", "name")).toBe("");
  });

  it("are not deleted by a script that does not say so", async () => {
    await run("ingress", "create", "kept", "--host", "kept.test", "--to", "web-1:80");
    const refused = await home.run(["ingress", "delete", "kept"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("--yes");
    expect(await run("ingress", "list", "-o", "name")).toBe("ingress/kept\n");
    await run("ingress", "rm", "kept", "-y");
  });
});

describe("apply and plan", () => {
  it("take YAML, JSON, folders and the standard input", async () => {
    mkdirSync(join(home.path, "set"));
    file(
      "set/a.yaml",
      "name: a\nrules:\n- match: {hostname: a.test}\n  target: {instance: web-1, port: 80}\n---\nname: b\nrules:\n- match: {hostname: b.test}\n  target: {instance: web-1, port: 80}\n",
    );
    file("set/c.json", [document("c")]);
    const planned = await run("plan", "-f", join(home.path, "set"));
    expect(planned).toContain("3 to create, 0 to change, 0 to delete, 0 as they are.");
    expect(planned).toContain("+ a\n");
    expect(await run("apply", "-f", join(home.path, "set"), "--dry-run")).toBe(planned);
    expect(await run("apply", "-f", join(home.path, "set"))).toMatch(
      /3 created, 0 changed, 0 deleted, 0 as they were/,
    );
    const piped = await home.run(["apply", "-f", "-", "-o", "json"], {
      input: JSON.stringify([document("a"), document("d")]),
    });
    expect(JSON.parse(piped.stdout)).toMatchObject({ created: 1, unchanged: 1 });
  });

  it("prune what the files do not have, after the plan", async () => {
    const only = file("only.json", [document("a")]);
    const refused = await home.run(["apply", "-f", only, "--prune"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("0 to create, 0 to change, 3 to delete");
    expect(await run("apply", "-f", only, "--prune", "--yes")).toContain("3 deleted");
    expect(await run("ingress", "list", "-o", "name")).toBe("ingress/a\n");
  });

  it("prune what is the caller's own, or another's, alone", async () => {
    const theirs = { GATEWRIGHT_TOKEN: signToken(secret, { sub: "bob" }) };
    const sole = file("sole.json", [document("a")]);
    const prune = ["apply", "-f", sole, "--prune", "--yes"];
    await run("apply", "-f", file("mine.json", [document("mine")]));
    await home.run(["apply", "-f", file("theirs.json", [document("theirs")])], { env: theirs });
    expect(await run(...prune, "--owner", "nobody")).toContain("0 deleted");
    expect(await run("plan", "-f", sole, "--prune", "--own")).toMatch(/- mine\n[\s\S]*1 to delete/);
    expect(await run(...prune, "--own")).toContain("1 deleted");
    expect(await run("ingress", "list", "--search", "theirs", "-o", "name")).toBe("ingress/theirs\n");
    expect(await run(...prune, "--owner", "bob")).toContain("1 deleted");
    for (const wrong of [
      ["--own"],
      ["--owner", "bob"],
      ["-l", "a=b"],
      ["--prune", "--own", "--owner", "bob"],
    ])
      expect(await home.run(["plan", "-f", sole, ...wrong])).toMatchObject({ code: 2, stdout: "" });
  });

  it("delete nothing for want of files", async () => {
    const empty = join(home.path, "empty");
    mkdirSync(empty);
    for (const args of [[], ["-f", empty], ["-f", "-"]])
      expect(await home.run(["apply", ...args, "--prune", "--yes"])).toMatchObject({ code: 2, stdout: "" });
    expect(await run("ingress", "list", "-o", "name")).toBe("ingress/a\n");
    expect(await run("apply", "-f", file("none.json", []), "--prune", "--dry-run")).toContain("1 to delete");
  });

  it("name every problem, and change nothing", async () => {
    const bad = file("bad.json", [document("x", "not a host"), { ...document("y"), nmae: "y" }]);
    const refused = await home.run(["apply", "-f", bad]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`error: ${bad}, ingress y, nmae: `);
    const { stderr } = await home.run(["instance", "put", "vm-8", "--ip", "10.0.0.999"]);
    expect(stderr).toBe("error: network.ip: ip must be an IPv4 or IPv6 address, or null (invalid_value)\n");
    const folder = join(home.path, "wrong");
    mkdirSync(folder);
    file(
      "wrong/1.yaml",
      "name: one\nrules:\n- match: {hostname: one.test}\n  target: {instance: web-1, port: 80}\n",
    );
    file(
      "wrong/2.yaml",
      "name: two\nrules:\n- match: {hostname: two.test}\n  target: {instance: nobody, port: 80}\n",
    );
    const planned = await home.run(["plan", "-f", folder]);
    expect(planned.stderr).toContain(`  ${join(folder, "2.yaml")}, ingress two, rules[0].target.instance: `);
    const nameless = await home.run(["plan", "-f", "-"], { input: "rules: 3" });
    expect(nameless.stderr).toMatch(/^error: 2 problems\n/);
    expect(nameless.stderr).toContain("  the standard input, document 1, rules: ");
    const taken = file("taken.json", [document("thief", "a.test")]);
    expect(await home.run(["plan", "-f", taken])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("hostname_in_use"),
    });
    expect(await home.run(["apply", "-f", join(home.path, "missing")])).toMatchObject({ code: 2 });
    expect(await home.run(["apply", "-f", file("broken.yaml", "a: [")])).toMatchObject({ code: 2 });
    expect(await run("ingress", "list", "-o", "name")).toBe("ingress/a\n");
  });
});

describe("revisions", () => {
  it("are listed, shown in words, and rolled back to", async () => {
    const [first = ""] = (await run("revision", "list", "-o", "name", "--limit", "1")).split("\n");
    const before = first.replace("revision/", "");
    await run(
      "ingress",
      "create",
      "oops",
      "--host",
      "oops.test",
      "--to",
      "web-2:80",
      "--message",
      "a mistake",
    );
    expect(await run("revision", "list")).toMatch(/ann +\+1 ~0 -0 +oops +a mistake/);
    expect(await run("revision", "diff", String(Number(before) + 1))).toContain("+ oops\n");
    const plan = await home.run(["revision", "rollback", before, "--dry-run"]);
    expect(plan.stderr).toContain("- oops\n");
    await run("revision", "rollback", before, "--yes");
    expect(await run("ingress", "list", "-o", "name")).toBe("ingress/a\n");
    expect(await home.run(["revision", "rollback", "999999", "--yes"])).toMatchObject({ code: 2 });
  });
});

describe("edit", () => {
  const editor = (script: string): { EDITOR: string } => {
    const path = file("editor.sh", `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return { EDITOR: path };
  };

  it("shows the plan and applies what was changed", async () => {
    const edited = await home.run(["ingress", "edit", "a", "--yes"], {
      env: editor('sed -i s/a.test/edited.test/ "$1"'),
    });
    expect(edited).toMatchObject({ code: 0 });
    expect(edited.stderr).toContain("edited.test");
    expect(await run("ingress", "get", "a")).toContain("hostname: edited.test");
  });

  it("keeps the text of a failed edit, and does nothing for one that changed nothing", async () => {
    const failed = await home.run(["ingress", "edit", "a", "--yes"], {
      env: editor('sed -i s/edited.test/not_a_host!/ "$1"'),
    });
    expect(failed.code).toBe(2);
    const path = /Your text is kept in (\S+)\./.exec(failed.stderr)?.[1] ?? "";
    expect(readFileSync(path, "utf8")).toContain("not_a_host!");
    const ended = await home.run(["ingress", "edit", "a", "--yes"], {
      env: editor('sed -i s/edited.test/written.test/ "$1"; exit 3'),
    });
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining("ended with status 3: nothing")]);
    const kept = /Your text is kept in (\S+)\./.exec(ended.stderr)?.[1] ?? "";
    expect(readFileSync(kept, "utf8")).toContain("written.test");
    const same = await home.run(["ingress", "edit", "a", "--yes"], { env: editor("true") });
    expect(same).toMatchObject({ code: 0, stderr: "Nothing was changed.\n" });
    const emptied = await home.run(["ingress", "edit", "a", "--yes"], { env: editor(': > "$1"') });
    expect(emptied).toMatchObject({ code: 0, stderr: "Nothing was changed.\n" });
    const left = await home.run(["ingress", "edit", "a"], { env: editor("exit 3") });
    expect([left.code, left.stderr]).toEqual([1, expect.not.stringContaining("kept")]);
  });

  it("names wrong keys as they stand in the text", async () => {
    const env = editor('sed -i s/hostname:/host:/ "$1"');
    const { code, stderr } = await home.run(["ingress", "edit", "a", "--yes"], { env });
    expect([code, stderr]).toEqual([2, expect.stringContaining("rules[0].match.host: property ")]);
    expect(stderr).toContain('the nearest known key is "hostname"');
  });
});

describe("what else there is", () => {
  it("instances are registered, drained and deleted", async () => {
    await run("instance", "put", "vm-9", "--ip", "10.0.0.9", "--service", "web");
    expect(await run("instance", "list")).toMatch(/vm-9 +Running +10\.0\.0\.9 +web/);
    await run("instance", "delete", "vm-9", "-y");
    expect(await home.run(["instance", "get", "vm-9"])).toMatchObject({ code: 3 });
  });

  it("status, events, raw calls and completions", async () => {
    const status = await home.run(["status", "-o", "json"]);
    expect(JSON.parse(status.stdout)).toHaveProperty("version");
    expect(await run("events", "--limit", "3")).toMatch(/ingress\.\w+: ingress .* \(ann\)\n/);
    expect(JSON.parse(await run("api", "get", "/health"))).toEqual({ status: "ok" });
    expect(await run("__complete", "ingress")).toContain("\ncreate\n");
    expect(await run("completion", "bash")).toContain("complete -o default -F _gatewright gatewright");
  });

  it("contexts name several Gatewrights, for their owner alone", async () => {
    using own = new CliHome();
    await own.run(["context", "set", "prod", "--url", api.url, "--token", token]);
    expect(statSync(join(own.path, ".config/gatewright/contexts.json")).mode & 0o777).toBe(0o600);
    expect(await own.run(["ingress", "list", "-o", "name"])).toMatchObject({
      code: 0,
      stdout: "ingress/a\n",
    });
    await own.run(["context", "set", "other", "--url", "http://127.0.0.1:1"]);
    expect(await own.run(["ingress", "list"])).toMatchObject({ code: 5 });
    expect(await own.run(["ingress", "list", "--context", "prod"])).toMatchObject({ code: 0 });
    expect(await own.run(["ingress", "list", "--context", "nope"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there are prod, other"),
    });
    for (const url of ["prod.example.com", "localhost:8080"]) {
      const refused = await own.run(["context", "set", "typo", "--url", url]);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("give one such as http://") });
    }
    expect(await own.run(["context", "list", "-o", "name"])).toMatchObject({ stdout: "prod\nother\n" });
    // A token goes only where its context says.
    expect(await own.run(["ingress", "list", "--url", api.url])).toMatchObject({ code: 6 });
  });

  it("mistakes are met with what was meant", async () => {
    expect(await home.run(["ingres"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Did you mean ingress?"),
    });
    expect(await home.run(["ingress", "list", "--nmae", "x"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--name"),
    });
    expect(await home.run(["ingress", "get", "nobody"])).toMatchObject({
      code: 3,
      stderr: "error: there is no ingress nobody; `gatewright ingress list` shows what there is\n",
    });
    expect((await home.run(["ingress", "create", "x", "--host", "x.test"])).stderr).toContain(
      "'--to <instance",
    );
    expect(await run("ingress", "create", "--help")).not.toContain("default: []");
    expect(await home.run(["status"], { env: { GATEWRIGHT_TOKEN: "wrong" } })).toMatchObject({ code: 6 });
  });
});

describe("in a terminal", () => {
  it("tables fit its width, in colours unless they are not wanted", async () => {
    await run("ingress", "create", "long", "--host", `${"very-".repeat(10)}long.test`, "--to", "web-1:80");
    const shown = await home.run(["ingress", "list"], { terminal: 60 });
    const lines = shown.stdout.trim().split("\r\n");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
    const plain = lines.map((line) => line.replace(/\x1b\[\d+m/g, ""));
    expect(plain.length).toBe(3);
    expect(Math.max(...plain.map((line) => [...line].length))).toBeLessThanOrEqual(60);
    expect(plain.join("")).toContain("…");
    expect(lines[0]).toContain("\x1b[1m");
    const bare = await home.run(["ingress", "list"], { terminal: 60, env: { NO_COLOR: "1" } });
    expect(bare.stdout).not.toContain("\x1b[1m");
  });

  it("what destroys is asked for", async () => {
    const kept = await home.run(["ingress", "delete", "long"], {
      terminal: 80,
      typed: [{ at: "[y/N]", text: "n" }],
    });
    expect(kept.stdout).toContain("Nothing was changed.");
    expect(await run("ingress", "list", "-o", "name")).toContain("ingress/long");
    await home.run(["ingress", "delete", "long"], { terminal: 80, typed: [{ at: "[y/N]", text: "y" }] });
    expect(await run("ingress", "list", "-o", "name")).not.toContain("ingress/long");
  });
});
