import { freePort } from "../../test/support/free-port.ts";
import type { Run } from "../child.ts";
import { HttpClient } from "../http-client.ts";
import type { LoadReport } from "../load-generator.ts";
import { atMost, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { quantile } from "../statistics.ts";
import { creates } from "./create.ts";

const GOAL_MS = 50;
const HOST = "moved-0.created.test";
const INSTANCE = "moved";

interface Seen {
  readonly at: number;
  /** Who answered; undefined: a failure. */
  readonly from: string | undefined;
}

/**
 * An instance gets another address while requests go to it: the new one listens, the registry is told, and once it
 * has acknowledged, the old one is gone.
 */
export const move: Row = {
  key: "move",
  about: "an instance changes its address: time until the first request reaches the new one, failed requests",
  async measure(bench, site) {
    const port = await freePort();
    const address = (round: number) => `127.0.2.${(round % 100) + 1}`;
    const listen = (round: number) => bench.load.start("backend", { listen: `${address(round)}:${port}` });
    let backend = listen(0);
    await backend.ready;
    await putInstance(site, address(0));
    const body = creates(bench, site, "moved").body.replaceAll("%d", "0").replace('"vm-0"', `"${INSTANCE}"`);
    const onPort = body.replace(`"port":${bench.backendPort}}`, `"port":${port}}`);
    await site.api.succeed({ method: "POST", path: "/ingresses", body: onPort });
    const times: number[] = [];
    let failed = 0;
    for (let round = 1; round <= (bench.options.quick ? 3 : 20); round++) {
      const next = listen(round);
      await next.ready;
      const seen = await moveOnce(site, address(round), backend);
      backend = next;
      times.push(seen.ms);
      failed += seen.failed;
    }
    backend.end();
    await site.api.succeed({ method: "DELETE", path: "/ingresses/moved-0" });
    await site.api.succeed({ method: "DELETE", path: `/instances/${INSTANCE}` });
    const largest = quantile(times, 1);
    const common = { row: "move", size: site.size };
    return [
      { ...common, what: "moved instance reached, median", value: quantile(times, 0.5), unit: "ms" },
      {
        ...common,
        what: "moved instance reached, worst",
        value: largest,
        unit: "ms",
        goal: atMost(largest, GOAL_MS, "ms"),
      },
      {
        ...common,
        what: "requests during moves",
        value: failed,
        unit: "failed",
        goal: { text: "0", met: failed === 0 },
      },
    ];
  },
};

/** Time from sending the new address until a request is answered from there. */
async function moveOnce(
  site: Site,
  to: string,
  old: Run<LoadReport>,
): Promise<{ ms: number; failed: number }> {
  const client = new HttpClient(site.httpPort);
  const all: Seen[] = [];
  let going = true;
  const asking = (async () => {
    while (going) all.push(await ask(client));
  })();
  const began = performance.now();
  await putInstance(site, to);
  old.end();
  await old.report.catch(() => {});
  // Some more requests show whether any still goes to the old address.
  const enough = all.length + 50;
  while (all.length < enough) await new Promise((resolve) => setTimeout(resolve, 1));
  going = false;
  await asking;
  client.close();
  const first = all.find(({ from }) => from?.startsWith(`${to}:`));
  return {
    ms: (first?.at ?? Number.POSITIVE_INFINITY) - began,
    failed: all.filter(({ from }) => from === undefined).length,
  };
}

async function ask(client: HttpClient): Promise<Seen> {
  const answer = await client.send({ host: HOST }).catch(() => undefined);
  return { at: performance.now(), from: answer?.status === 200 ? answer.body : undefined };
}

async function putInstance(site: Site, ip: string): Promise<void> {
  const body = JSON.stringify({ network: { ip } });
  await site.api.succeed({ method: "PUT", path: `/instances/${INSTANCE}`, body });
}
