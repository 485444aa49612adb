import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive } from "../../../src/caddy/process-identity.ts";
import { type CaddyPaths, findRunningCaddy } from "../../../src/caddy/running-caddy.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { asSite, type Site } from "../../support/use-gatewright.ts";

const run = promisify(execFile);

/** A small disk of its own; says why where none can be mounted. */
async function mountDisk(folder: string): Promise<string | undefined> {
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=600k,mode=0700", "tmpfs", folder]);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const folder = await mkdtemp(join(tmpdir(), "gatewright-disk-"));
const refused = await mountDisk(folder);
if (refused !== undefined) {
  process.stderr.write(`SKIPPED, no disk can be mounted here: ${refused}\n`);
  await rm(folder, { recursive: true, force: true });
}

/** Writes until nothing more fits. */
async function fill(): Promise<void> {
  await using file = await open(join(folder, "filling"), constants.O_CREAT | constants.O_WRONLY);
  for (const size of [16_384, 1_024, 1]) {
    const some = Buffer.alloc(size);
    let isFull = false;
    while (!isFull) {
      try {
        isFull = (await file.write(some)).bytesWritten < size;
      } catch {
        isFull = true;
      }
    }
  }
}

describe.skipIf(refused !== undefined)(
  "D15: a full disk",
  () => {
    const backend = use(() => startBackend());
    let site: Site;
    let place: CaddyPaths;
    let made = 0;

    beforeAll(async () => {
      place = { folder: join(folder, "caddy"), binary: await builtCaddy() };
      site = asSite(await startGatewright({ DATA_DIR: folder }));
      await site.put("web-1", "127.0.0.1");
      await site.make("app", rule("app.example.com", "web-1", backend.port));
      await site.make("slow", {
        ...rule("slow.example.com", "web-1", backend.port),
        policies: { timeouts: { response_header: "7s" } },
      });
      await fill();
    }, 60_000);

    afterAll(async () => {
      await rm(join(folder, "filling"), { force: true });
      await site?.stop();
      const found = findRunningCaddy(place);
      if (found !== undefined) process.kill(found.pid, "SIGKILL");
      await run("umount", ["--lazy", folder]);
      await rm(folder, { recursive: true, force: true });
    });

    const kill = async (): Promise<void> => {
      // Its number cannot be written down on a full disk.
      const found = findRunningCaddy(place);
      if (found === undefined) throw new Error("no Caddy runs");
      process.kill(found.pid, "SIGKILL");
      await until(() => !isAlive(found));
    };
    const expectServed = async (): Promise<void> => {
      await until(async () => (await site.reach("app.example.com")) === 200, 20_000);
      await until(async () => (await site.reach("slow.example.com")) === 200, 20_000);
      await until(async () => (await call(`${site.url}/ready`)).status === 200, 20_000);
    };

    it("refuses changes", async () => {
      // The journal's last block has room for a few.
      await until(async () => {
        made += 1;
        const { status, body } = await site.create(
          `more-${made}`,
          rule(`more-${made}.example.com`, "web-1", 80),
        );
        return status === 503 && (body as unknown as { code: string }).code === "store_unavailable";
      });
      await expectServed();
    });

    it("with a Caddy that dies: it is started from the last good files, and serves what is stored", async () => {
      await kill();
      await expectServed();
    });

    it("with a reboot: all that is stored is served", async () => {
      await site.stop("SIGKILL");
      await kill();
      await site.start();
      await expectServed();
      await site.stop();
      await site.start();
      await expectServed();
    });

    it("that has room again takes changes", async () => {
      await rm(join(folder, "filling"));
      await until(
        async () =>
          (await site.create("roomy", rule("roomy.example.com", "web-1", backend.port))).status === 201,
      );
      await kill();
      await expectServed();
      expect(await site.reach("roomy.example.com")).toBe(200);
    });
  },
  90_000,
);
