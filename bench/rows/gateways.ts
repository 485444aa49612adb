import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Ingress } from "../../src/model/api.ts";
import { EtcdClient } from "../../src/store/etcd/client.ts";
import { DocumentSet } from "../../src/store/etcd/document-set.ts";
import { Sealer } from "../../src/store/etcd/sealer.ts";
import { type Etcd, startEtcd } from "../../test/support/etcd.ts";
import { freePort } from "../../test/support/free-port.ts";
import { type Gatewright, prepareGatewright } from "../gatewright.ts";
import { HttpClient } from "../http-client.ts";
import { mustSucceed } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import { atLeast, atMost, type Bench, type Row } from "../row.ts";
import { ingressOf } from "../seed.ts";
import { median, quantile } from "../statistics.ts";

const CLIENTS = 32;
const BURST = 1500;
const CHANGES = 200;
/** Documents of one commit of the seed. */
const SEEDED_AT_ONCE = 5_000;
const STORE_KEY = Buffer.alloc(32, 1).toString("base64");

/** Three gateways on an etcd of three members, which write to the disk: what a change costs, and where it is served. */
export const gateways: Row = {
  key: "gateways",
  about: "three gateways on one etcd: starts, creates at all of them, a change at one served by another",
  once: true,
  named: true,
  async measure(bench) {
    const measurements: Measurement[] = [];
    for (const size of bench.options.sizes) measurements.push(...(await measureSize(bench, size)));
    return measurements;
  },
};

async function measureSize(bench: Bench, size: number): Promise<readonly Measurement[]> {
  await using stack = new AsyncDisposableStack();
  const etcd = stack.use(await startEtcd({ members: 3, syncs: true }));
  const httpPort = await freePort();
  await seed(etcd, size, { httpPort, backendPort: bench.backendPort });
  const all: Gatewright[] = [];
  for (const number of [1, 2, 3])
    all.push(
      stack.use(
        await prepareGatewright({
          dataDir: join(bench.scratch, `gateway-${size}-${number}`),
          caddyBinary: bench.caddyBinary,
          environment: {
            STORE: "etcd",
            STORE_KEY,
            ETCD_ENDPOINTS: etcd.endpoints.join(),
            GATEWAY_NAME: `gateway-${number}`,
            CADDY_LISTEN_ADDRESS: `127.0.0.${number}`,
            HTTP_PORT: String(httpPort),
          },
        }),
      ),
    );
  const [one, two] = all as [Gatewright, Gatewright];
  const common = { row: "gateways", size } as const;
  const fromEtcd = (await one.start()).wallMs / 1000;
  await one.kill();
  const fromCopy = (await one.start()).wallMs / 1000;
  await two.start();
  await all[2]?.start();
  for (const { ports } of all) {
    const body = JSON.stringify({ network: { ip: "127.0.1.1" } });
    const put = { method: "PUT", path: "/instances/vm-0", body };
    const { status } = await new HttpClient(ports.api).send(put);
    if (status >= 300) throw new Error(`vm-0 was not registered: ${status}`);
  }
  const rates: number[] = [];
  for (let round = 0; round < Math.min(3, bench.options.rounds); round++)
    rates.push(await burst(bench, all, httpPort, round));
  const rate = median(rates);
  const served = await servedElsewhere(bench, two, one, httpPort);
  const figure = (what: string, q: number, goal: number): Measurement => {
    const value = quantile(served, q);
    return { ...common, what, value, unit: "ms", goal: atMost(value, goal, "ms") };
  };
  return [
    { ...common, what: "first start, from etcd", value: fromEtcd, unit: "s", goal: atMost(fromEtcd, 5, "s") },
    { ...common, what: "restart of the manager, with its copy", value: fromCopy, unit: "s" },
    {
      ...common,
      what: `creates by ${CLIENTS} clients at three gateways`,
      value: rate,
      unit: "/s",
      goal: atLeast(rate, 500, "/s"),
    },
    figure("from a 201 at one to its service at another, p50", 0.5, 20),
    figure("from a 201 at one to its service at another, p99", 0.99, 100),
  ];
}

/** Puts ingresses into an etcd that nobody uses yet. */
async function seed(
  etcd: Etcd,
  size: number,
  ports: { httpPort: number; backendPort: number },
): Promise<void> {
  const client = new EtcdClient({ endpoints: etcd.endpoints });
  const sealer = new Sealer([STORE_KEY]);
  const set = new DocumentSet({ client, prefix: "/gatewright/", sealer, set: "ingresses" });
  try {
    for (let from = 0; from < size; from += SEEDED_AT_ONCE) {
      const puts: Ingress[] = [];
      for (let number = from; number < Math.min(size, from + SEEDED_AT_ONCE); number++)
        puts.push(ingressOf(number, { ...ports, kind: "literal" }));
      const prepared = await set.prepare({ puts, deletes: [] }, await set.head());
      if ((await prepared.attempt()).kind !== "committed") throw new Error("somebody else uses this etcd");
      await set.finish();
    }
  } finally {
    await client.close();
  }
}

function ingress(prefix: string, httpPort: number, backendPort: number): object {
  const match = { hostname: `${prefix}-%d.created.test`, port: httpPort };
  return { name: `${prefix}-%d`, rules: [{ match, target: { instance: "vm-0", port: backendPort } }] };
}

/** Creates per second, by clients that are shared out to all; what they created is deleted again. */
async function burst(
  bench: Bench,
  all: readonly Gatewright[],
  httpPort: number,
  round: number,
): Promise<number> {
  const count = BURST / all.length;
  const clientsOf = (at: number) => Math.floor((CLIENTS + at) / all.length);
  const run = (make: (prefix: string) => { method?: string; path: string; body?: string }) =>
    Promise.all(
      all.map(async ({ ports }, at) => {
        const flags = make(`burst-${round}-${at}`);
        const target = `127.0.0.1:${ports.api}`;
        mustSucceed(await bench.load.run("rest", { ...flags, target, count, clients: clientsOf(at) }));
      }),
    );
  const began = performance.now();
  await run((prefix) => ({
    path: "/ingresses",
    body: JSON.stringify(ingress(prefix, httpPort, bench.backendPort)),
  }));
  const seconds = (performance.now() - began) / 1000;
  await run((prefix) => ({ method: "DELETE", path: `/ingresses/${prefix}-%d` }));
  return BURST / seconds;
}

/** Milliseconds from the answer of a create at one gateway until another one serves it, of changes one after another. */
async function servedElsewhere(
  bench: Bench,
  at: Gatewright,
  other: Gatewright,
  httpPort: number,
): Promise<readonly number[]> {
  const [api, apiOfOther, visitor] = [
    new HttpClient(at.ports.api),
    new HttpClient(other.ports.api),
    new HttpClient(httpPort),
  ];
  const times: number[] = [];
  for (let number = 0; number < CHANGES; number++) {
    const name = `served-${number}`;
    const match = { hostname: `${name}.created.test`, port: httpPort };
    const rules = [{ match, target: { instance: "vm-0", port: bench.backendPort } }];
    const made = await api.send({
      method: "POST",
      path: "/ingresses",
      body: JSON.stringify({ name, rules }),
    });
    if (made.status !== 201) throw new Error(`${name} was not created: ${made.status} ${made.body}`);
    const began = performance.now();
    while ((await visitor.send({ host: match.hostname })).status !== 200) await wait(1);
    times.push(performance.now() - began);
    await apiOfOther.send({ method: "DELETE", path: `/ingresses/${name}` });
  }
  for (const client of [api, apiOfOther, visitor]) client.close();
  return times;
}
