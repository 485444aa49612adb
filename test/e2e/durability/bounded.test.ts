import { lstat, readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rule } from "../../support/api.ts";
import { filesUnder } from "../../support/files-under.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const MIB = 1024 * 1024;
/** A header that Caddy takes, and that its log has once for each attempt. */
const FILLER = "x".repeat(14_000);

// At the level debug Caddy's log has the headers of each request to an instance: few requests make many bytes.
const gatewright = useGatewright(
  { LOG_LEVEL_CADDY: "debug", ACCESS_LOG: "all", ACCESS_LOG_ROLL_SIZE_MB: "1", ACCESS_LOG_ROLL_KEEP: "2" },
  ["web-1"],
);

/** Bytes of each file, but for the program. */
async function sizes(): Promise<ReadonlyMap<string, number>> {
  const files = (await filesUnder(gatewright.dataDir)).filter(
    ({ kind, path }) => kind === "file" && !path.startsWith("system/"),
  );
  const found = await Promise.all(
    files.map(async ({ full, path }) => [path, (await lstat(full).catch(() => ({ size: 0 }))).size] as const),
  );
  return new Map(found);
}

const sum = (all: ReadonlyMap<string, number>, name = /./) =>
  [...all].filter(([path]) => name.test(path)).reduce((total, [, size]) => total + size, 0);

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

function ask(host: string, path: string, filler = ""): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { host, ...(filler === "" ? {} : { "x-filler": filler }) };
  request({ agent, port: gatewright.ports.http, host: "127.0.0.1", path, headers }, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode ?? 0));
  })
    .on("error", reject)
    .end();
  return promise;
}

async function many(count: number, one: () => Promise<number>): Promise<void> {
  const clients = Array.from({ length: 8 }, async () => {
    for (let done = 0; done < count / 8; done++) await one();
  });
  await Promise.all(clients);
}

it("a flood of failed requests leaves DATA_DIR within its bound (docs/storage.md)", {
  timeout: 240_000,
}, async () => {
  await gatewright.make("dead", rule("dead.test", "web-1", await freePort()));
  expect(await ask("dead.test", "/", FILLER)).toBe(502);
  const rolled = async (name: RegExp) => [...(await sizes()).keys()].filter((path) => name.test(path)).length;
  const caddyLogs = /^caddy\/caddy(-\d[^/]*)?\.log$/;
  const accessLogs = /^caddy\/access(-\d[^/]*)?\.log$/;
  let written = 0;
  let last = sum(await sizes(), caddyLogs);
  // Until more was written than may stay.
  while (written < 50 * MIB) {
    await many(80, () => ask("dead.test", "/", FILLER));
    const now = sum(await sizes(), caddyLogs);
    // Less: old files are gone.
    written += now < last ? 10 * MIB : now - last;
    last = now;
  }
  const path = `/${"p".repeat(2_000)}`;
  let lines = 0;
  while (lines < 4_000) {
    await many(400, () => ask("nobody.test", path));
    lines += 400;
  }
  // Old files are removed behind the writing.
  await until(async () => (await rolled(caddyLogs)) <= 4 && (await rolled(accessLogs)) <= 3);
  const after = await sizes();
  expect(await rolled(caddyLogs)).toBe(4);
  expect(await rolled(accessLogs)).toBe(3);
  expect(sum(after, caddyLogs)).toBeLessThanOrEqual(40 * MIB);
  expect(sum(after, accessLogs)).toBeLessThanOrEqual(3 * MIB);
  expect(after.get("caddy/caddy-stderr.log") ?? 0).toBeLessThanOrEqual(MIB);
  const rest = [...after].filter(([name]) => !caddyLogs.test(name) && !accessLogs.test(name));
  expect(sum(new Map(rest)), JSON.stringify(rest)).toBeLessThanOrEqual(MIB);
  // What was logged last is there.
  expect(await readFile(join(gatewright.dataDir, "caddy/access.log"), "utf8")).toContain("nobody.test");
});
