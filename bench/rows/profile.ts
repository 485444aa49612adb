import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HttpClient } from "../http-client.ts";
import type { Bench } from "../row.ts";
import type { Site } from "../site.ts";

/** Writes the CPU profiles that Caddy and the static route take of themselves over all rounds of two in turn. */
export async function profileBoth(bench: Bench, site: Site, row: string): Promise<void> {
  const { profileDir, rounds, runMs } = bench.options;
  if (profileDir === undefined) return;
  const millis = rounds * 2 * runMs;
  await Promise.all([
    write(join(profileDir, `${row}-${site.size}-gatewright.pprof`), site.gatewright.ports.admin, millis),
    write(join(profileDir, `${row}-${site.size}-static-route.pprof`), bench.staticPeer.adminPort, millis),
  ]);
}

/** Does something while Caddy takes a CPU profile of itself. Without `--profile` it does nothing at all. */
export async function profiled(
  bench: Bench,
  site: Site,
  name: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const { profileDir, runMs } = bench.options;
  if (profileDir === undefined) return;
  const file = join(profileDir, `${name}-gatewright.pprof`);
  await Promise.all([write(file, site.gatewright.ports.admin, runMs), work()]);
}

async function write(file: string, admin: number, millis: number): Promise<void> {
  const client = new HttpClient(admin);
  const seconds = Math.max(1, Math.floor(millis / 1000));
  const { bytes } = await client.succeed({
    path: `/debug/pprof/profile?seconds=${seconds}`,
    headers: { origin: `http://127.0.0.1:${admin}` },
  });
  await writeFile(file, bytes);
  client.close();
}
