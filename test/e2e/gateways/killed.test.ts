import { expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startEtcd } from "../../support/etcd.ts";
import { type Gateway, startGateways } from "../../support/gateways.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const backend = use(() => startBackend());
const etcd = use(() => startEtcd({ members: 3 }));
const gateways = use(() => startGateways(etcd.endpoints, ["one", "two", "three"]));

const HOSTS = 6;
const list = async ({ url }: Gateway) => (await call<readonly Ingress[]>(`${url}/ingresses`)).body;

/** What a client knows for sure: who had a hostname after which of its own calls. */
interface Known {
  readonly created: Map<string, Ingress>;
  readonly deleted: Set<string>;
  /** Calls without an answer that says what became of them. */
  lost: number;
}

/** Creates and deletes ingresses of few hostnames, which other clients want too, until it is told to end. */
async function client(gateway: Gateway, number: number, known: Known, isOver: () => boolean): Promise<void> {
  for (let turn = 0; !isOver(); turn += 1) {
    const host = `host-${turn % HOSTS}.example.com`;
    const name = `of-${number}-${turn}`;
    const made = await gateway
      .create({ name, rules: [rule(host, "vm", backend.port)] }, { timeoutMs: 8000 })
      .catch(() => undefined);
    if (made?.status === 201) known.created.set((made.body as Ingress).id, made.body as Ingress);
    else if (made?.status !== 409) known.lost += 1;
    if (made?.status !== 201 || turn % 3 === 0) continue;
    const { id } = made.body as Ingress;
    const gone = await call(`${gateway.url}/ingresses/${id}`, { method: "DELETE", timeoutMs: 8000 }).catch(
      () => undefined,
    );
    // Without an answer it may be there or not.
    if (gone?.status !== 204) known.created.delete(id);
    else known.deleted.add(id);
  }
}

it("nothing acknowledged is lost, and no hostname is two ingresses', while gateways and members of etcd are killed", async () => {
  const known: Known = { created: new Map(), deleted: new Set(), lost: 0 };
  let over = false;
  const clients = gateways.flatMap((gateway, index) =>
    [0, 1].map((copy) => client(gateway, index * 2 + copy, known, () => over)),
  );
  for (let round = 0; round < 3; round += 1) {
    const gateway = gateways[round] as Gateway;
    const member = etcd.members[round];
    const before = known.deleted.size;
    await until(() => known.deleted.size > before + 5);
    await gateway.stop("SIGKILL");
    if (round === 1) member?.pause();
    else await member?.kill();
    await until(() => known.deleted.size > before + 10);
    await gateway.start();
    if (round === 1) member?.resume();
    else await member?.start();
  }
  over = true;
  await Promise.all(clients);
  // The same ingresses may be those of another moment: what was created and deleted since leaves no trace in them.
  await until(async () => {
    const revisions = await Promise.all(
      gateways.map(async ({ url }) => (await call(`${url}/revisions?limit=1`)).text),
    );
    return new Set(revisions).size === 1;
  });
  const [last = [], ...others] = await Promise.all(gateways.map((gateway) => list(gateway)));
  for (const other of others) expect(other).toEqual(last);
  const ids = new Set(last.map(({ id }) => id));
  const missing = [...known.created.values()].filter(({ id }) => !known.deleted.has(id) && !ids.has(id));
  expect(missing).toEqual([]);
  expect(last.filter(({ id }) => known.deleted.has(id))).toEqual([]);
  const hosts = last.flatMap(({ rules }) => rules.map(({ match }) => match.hostname));
  expect(new Set(hosts).size).toBe(hosts.length);
  for (const gateway of gateways)
    for (const host of hosts)
      await until(async () => (await gateway.answerOf(host as string)).status === 200);
}, 120_000);
