import { mustSucceed } from "../load-generator.ts";
import type { Bench } from "../row.ts";
import type { Site } from "../site.ts";

/** A few more than there are connections, so that a small site is warm as well. */
const FEWEST = 2_000;

/** Asks for each host once, so that Caddy has the address of every instance. */
export async function askEachHost(bench: Bench, site: Site): Promise<void> {
  const count = Math.max(site.size, FEWEST);
  mustSucceed(await bench.load.run("http", { ...site.target, connections: 64, count, "in-turn": true }));
}
