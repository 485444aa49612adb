import { once } from "node:events";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import { eventually, handshake } from "../../support/acme/handshake.ts";
import { useGateways } from "../../support/acme/use-gateways.ts";
import { until } from "../../support/until.ts";

/** `CLUSTER_NAMES=200` for a run by hand. */
const NAMES = Number(process.env["CLUSTER_NAMES"] ?? 20);
/** A lock outlives its gateway by 15 s; all wait for the processor. */
const PATIENCE_MS = 120_000 + NAMES * 1000;

const gateways = useGateways(3);

const names = (kind: string): readonly string[] =>
  Array.from({ length: NAMES }, (_, at) => `${kind}${at}.example.test`);

/** Waits until all gateways show the same valid certificate for each name. */
async function sameEverywhere(hosts: readonly string[]): Promise<void> {
  for (const host of hosts)
    await eventually(async () => {
      const serials = (await gateways.shown(host)).map(({ serial }) => serial);
      expect(new Set(serials).size, `${host} has ${serials}`).toBe(1);
    }, PATIENCE_MS);
}

/** The names whose orders a gateway was at, as etcd has it. */
async function ordering(gateway: string): Promise<readonly string[]> {
  const folder = "/gatewright/caddy/locks/issue_cert_";
  const { kvs = [] } = await gateways.etcd.call("/v3/kv/range", {
    key: btoa(folder),
    range_end: btoa("/gatewright/caddy/locks/issue_cert`"),
  });
  return kvs
    .filter(({ value }: { value: string }) => atob(value) === gateway)
    .map(({ key }: { key: string }) => atob(key).slice(folder.length));
}

describe("gateways with one store", () => {
  it("order each name once, whichever of them the authority meets, while a member of etcd is killed", {
    timeout: 2 * PATIENCE_MS,
  }, async () => {
    const { etcd, world } = gateways;
    const hosts = names("a");
    await gateways.serve(hosts);
    const [member] = etcd.members;
    await member?.kill();
    await until(() => world.pebble.issued() > NAMES / 4, PATIENCE_MS);
    await member?.start();
    await sameEverywhere(hosts);
    expect({ orders: world.pebble.orders(), issued: world.pebble.issued() }).toEqual({
      orders: NAMES,
      issued: NAMES,
    });
    expect(world.pebble.refused()).toBe(0);
  });

  it("order once what all of them are asked for at once, also for the gateways that come too late", {
    timeout: 2 * PATIENCE_MS,
  }, async () => {
    const { world } = gateways;
    const [orders, issued] = [world.pebble.orders(), world.pebble.issued()];
    const hosts = names("c");
    for (const statuses of await gateways.contest(hosts)) expect(statuses).toEqual([201, 409, 409]);
    await sameEverywhere(hosts);
    expect({ orders: world.pebble.orders() - orders, issued: world.pebble.issued() - issued }).toEqual({
      orders: NAMES,
      issued: NAMES,
    });
  });

  it("order again only what a Caddy that was killed was at", { timeout: 2 * PATIENCE_MS }, async () => {
    const { sites, world } = gateways;
    const [before, refusedBefore] = [world.pebble.orders(), world.pebble.refused()];
    const hosts = names("b");
    const [first] = sites;
    await Promise.all([
      gateways.serve(hosts),
      until(() => world.pebble.orders() > before + NAMES / 4, PATIENCE_MS).then(async () =>
        process.kill((await first?.caddyPid()) ?? 0, "SIGKILL"),
      ),
    ]);
    const lost = await ordering("gateway-1");
    await sameEverywhere(hosts);
    const counts = await world.pebble.issuedFor();
    const again = hosts.filter((host) => (counts.get(host) ?? 0) > 1);
    expect(lost).toEqual(expect.arrayContaining(again));
    // The authority may have been asking that Caddy for the answer to another one's challenge.
    const asking = world.pebble.refused() - refusedBefore;
    expect(world.pebble.orders() - before - NAMES).toBeLessThanOrEqual(lost.length + asking);
  });

  it("resume at one gateway what began at another", { timeout: PATIENCE_MS }, async () => {
    const { addresses, world } = gateways;
    const visit = async (address: string | undefined, session?: Buffer) => {
      const socket = connect({
        host: address,
        port: world.httpsPort,
        servername: "a0.example.test",
        ca: world.ca,
        maxVersion: "TLSv1.2",
        ...(session === undefined ? {} : { session }),
      });
      await once(socket, "secureConnect");
      const shown = { reused: socket.isSessionReused(), session: socket.getSession() };
      socket.destroy();
      return shown;
    };
    const [first, ...others] = addresses;
    const { session } = await visit(first);
    for (const other of others) expect((await visit(other, session)).reused).toBe(true);
  });

  it("leave no private key in etcd that can be read", async () => {
    const { kvs } = await gateways.etcd.call("/v3/kv/range", {
      key: btoa("/gatewright/caddy/data/"),
      range_end: btoa("/gatewright/caddy/data0"),
    });
    expect(kvs.length).toBeGreaterThan(3 * NAMES);
    for (const { value } of kvs) expect(atob(value).slice(0, 3)).toBe("GW1");
  });

  it("show their certificates while etcd is away, after a start of Caddy too", {
    timeout: PATIENCE_MS,
  }, async () => {
    const { addresses, etcd, sites, world } = gateways;
    const [first] = sites;
    const [address = ""] = addresses;
    for (const member of etcd.members) member.pause();
    try {
      await gateways.shown("a0.example.test");
      const pid = (await first?.caddyPid()) ?? 0;
      process.kill(pid, "SIGKILL");
      for (const host of names("a").slice(0, 5))
        await eventually(() => handshake({ address, port: world.httpsPort, host, ca: world.ca }));
      expect(await first?.caddyPid()).not.toBe(pid);
    } finally {
      for (const member of etcd.members) member.resume();
    }
  });
});
