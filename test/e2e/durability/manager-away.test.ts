import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend());
const gatewright = useGatewright({}, ["quiet"]);

describe("D14: with the manager away", () => {
  it("an instance that nobody has asked for since Caddy's start answers", async () => {
    await gatewright.make("quiet", rule("quiet.example.com", "quiet", backend.port));
    const before = await gatewright.caddyPid();
    const ended = Date.now();
    process.kill(before, "SIGKILL");
    await until(async () => (await gatewright.reach("nobody.example.com")) === 404);
    // Caddy keeps what it is told in a file, for a start of its own.
    const file = join(gatewright.dataDir, "caddy/addresses.json");
    await until(async () => ((await stat(file).catch(() => undefined))?.mtimeMs ?? 0) > ended);
    expect(await gatewright.caddyPid()).not.toBe(before);
    const manager = gatewright.process();
    manager.kill("SIGKILL");
    await gatewright.ended();
    expect(await gatewright.reach("quiet.example.com")).toBe(200);
  });
});
