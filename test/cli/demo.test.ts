import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Ingress, Instance } from "../../src/model/api.ts";
import { call, visit } from "../support/api.ts";
import { builtCaddy } from "../support/caddy-binary.ts";
import { freePort } from "../support/free-port.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { useGatewright } from "../support/use-gatewright.ts";

const program = join(import.meta.dirname, "../../bin/gatewright.mjs");
const gatewright = useGatewright({}, ["mine"]);

/** A demo that runs, and what it has said. */
interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

function demo(args: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    cwd: env["HOME"],
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, "close").then(() => child.exitCode);
  return {
    child,
    output: () => output,
    ended,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) child.kill("SIGTERM");
      await ended;
    },
  };
}

const isReady = ({ child, output }: Running) =>
  until(() => {
    if (child.exitCode !== null) throw new Error(output());
    return output().includes("Ctrl-C removes");
  });

async function stored(): Promise<readonly string[]> {
  const [ingresses, instances] = await Promise.all([
    call<readonly Ingress[]>(`${gatewright.url}/ingresses`),
    call<readonly Instance[]>(`${gatewright.url}/instances`),
  ]);
  return [...ingresses.body, ...instances.body].map(({ name }) => name).sort();
}

/** Asks as the lines say that it prints. */
async function pasted(output: string): Promise<readonly string[]> {
  const lines = [...output.matchAll(/curl -H 'Host: (\S+)' http:\/\/127\.0\.0\.1:(\d+)\//g)];
  const asked = lines.map(async ([, host = "", port]) => (await visit(Number(port), host)).text.trim());
  return Promise.all(asked);
}

test.each(["SIGINT", "SIGTERM"] as const)(
  "it shows a hostname, a pool and a pattern with what explains them, and %s takes all of it back",
  async (signal) => {
    await using home = await temporaryFolder();
    const port = await freePort();
    await using running = demo(["demo", "--port", String(port), "--url", gatewright.url], {
      HOME: home.path,
    });
    await isReady(running);
    const answers = await pasted(running.output());
    expect(answers.map((answer) => answer.replace(/^demo-\d/, "demo-N"))).toEqual(
      Array(4).fill("demo-N answers GET /"),
    );
    expect([answers[0], answers[2], answers[3]].map((answer) => answer?.slice(0, 6))).toEqual([
      "demo-1",
      "demo-2",
      "demo-3",
    ]);
    for (const name of ["demo-host", "demo-pool", "demo-pattern"])
      expect(running.output()).toContain(`rule     ${name}, rule 0`);
    expect(running.output().match(/an instance gets it/g)).toHaveLength(3);
    // What explains it can be pasted too, wherever the Gatewright is.
    const [, explain = ""] = running.output().match(/node bin\/gatewright\.mjs (explain .*)/) ?? [];
    await using explained = demo(explain.split(" "), { HOME: home.path });
    expect(await explained.ended).toBe(0);
    expect(explained.output()).toContain("demo-host");

    running.child.kill(signal);
    expect(await running.ended).toBe(0);
    expect(await stored()).toEqual(["mine"]);
  },
);

test("names that are taken are refused, and left as they are", async () => {
  await using home = await temporaryFolder();
  await gatewright.put("demo-2", "127.0.0.9");
  try {
    await using running = demo(["demo", "--url", gatewright.url], { HOME: home.path });
    expect(await running.ended).toBe(4);
    expect(running.output()).toContain("names that are taken: instance demo-2.");
    expect(await stored()).toEqual(["demo-2", "mine"]);
  } finally {
    await call(`${gatewright.url}/instances/demo-2`, { method: "DELETE" });
  }
});

test("a port that is taken is told of, nothing is left, and what others put in its place stays", async () => {
  await using home = await temporaryFolder();
  const taken = ["demo", "--port", String(gatewright.ports.api), "--url", gatewright.url];
  await using refused = demo(taken, { HOME: home.path });
  expect(await refused.ended).not.toBe(0);
  expect(refused.output()).toMatch(/^error: /m);
  expect(await stored()).toEqual(["mine"]);

  await using running = demo(["demo", "--port", String(await freePort()), "--url", gatewright.url], {
    HOME: home.path,
  });
  await isReady(running);
  await gatewright.put("demo-3", "127.0.0.9");
  running.child.kill("SIGTERM");
  expect(await running.ended).toBe(0);
  expect(await stored()).toEqual(["demo-3", "mine"]);
  await call(`${gatewright.url}/instances/demo-3`, { method: "DELETE" });
});

test("where no Gatewright answers it starts one, which ends with it and leaves nothing", async () => {
  await using home = await temporaryFolder();
  const folder = await realpath(home.path);
  const env = { HOME: folder, TMPDIR: folder, CADDY_BIN: await builtCaddy() };
  // Nobody answers in the context in use.
  const url = `http://127.0.0.1:${await freePort()}`;
  await using context = demo(["context", "set", "here", "--url", url], env);
  expect(await context.ended, context.output()).toBe(0);
  await using running = demo(["demo", "--port", String(await freePort())], env);
  await isReady(running);
  expect(await pasted(running.output())).toHaveLength(4);
  const [, own = ""] = running.output().match(/answers at (\S+)/) ?? [];
  running.child.kill("SIGINT");
  expect(await running.ended).toBe(0);
  await expect(fetch(`${own}/health`)).rejects.toThrow();
  expect((await readdir(folder)).filter((name) => name.startsWith("gatewright-demo-"))).toEqual([]);
});
