import { afterEach, beforeEach } from "vitest";
import { type DnsServer, type DnsServerOptions, startDnsServer } from "../../src/dns/server.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import { type Ask, DnsConnection, encodeAsk, exchangeUdp, type Seen, see } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const instances = [
  { id: "id4", name: "web-1", ip: "10.0.0.5" },
  { id: "id6", name: "six", ip: "fd00::6" },
  { id: "iddot", name: "db.prod", ip: "10.0.0.7" },
  { id: "idoff", name: "off", ip: "10.0.0.8", state: "Stopped" as const },
].map(instanceFrom);
const members = [
  { name: "api-1", ip: "10.0.0.21" },
  { name: "api-2", ip: "10.0.0.20" },
  { name: "api-3", ip: "fd00::22" },
  { name: "api-4", ip: "10.0.0.23", state: "Standby" as const },
].map((sketch) => ({ ...instanceFrom(sketch), service: "api" }));
const index = new InstanceIndex();
index.replace([...instances, ...members]);

/** The index, and a few names whose answers an index of instances does not give. */
const resolver = {
  resolve(name: string): Resolution {
    if (name === "fault") throw new Error("a fault of the resolver");
    if (name === "lost") return { kind: "unavailable", reason: "the source is down" };
    const service = /^pool-(\d+)$/.exec(name);
    if (service === null) return index.resolve(name);
    const addresses = Array.from({ length: Number(service[1]) }, (_, at) => `10.9.${at >> 8}.${at & 255}`);
    return { kind: "addresses", addresses: [...addresses, "fd00::1", "fd00::2"] };
  },
  /** Nothing changes. */
  watch: () => () => undefined,
};
/** The SOA record of answers without addresses. */
export const soa = "hypeman.internal 5 1 6 hypeman.internal nobody.invalid 5";
/** The address record of `web-1`. */
export const address = "web-1.hypeman.internal 5 1 1 10.0.0.5";

/** Starts a server for a zone with a few instances and members of a service. */
export function start(options: Partial<DnsServerOptions> = {}): Promise<DnsServer> {
  return startDnsServer({ address: "127.0.0.1", port: 0, resolver, logger: recordingLogger(), ...options });
}

/** One for each test of a file, and the two ways to ask it. */
export interface Zone {
  readonly server: DnsServer;
  readonly overUdp: (ask: Ask) => Promise<Seen>;
  readonly overTcp: (ask: Ask) => Promise<Seen>;
}

export function useZone(): Zone {
  let server: DnsServer;
  beforeEach(async () => {
    server = await start();
  });
  afterEach(() => server.close());
  return {
    get server() {
      return server;
    },
    async overUdp(ask) {
      const answer = await exchangeUdp(server.port, encodeAsk(ask));
      if (answer === undefined) throw new Error("no answer");
      return see(answer);
    },
    async overTcp(ask) {
      const connection = await DnsConnection.open(server.port);
      connection.send(encodeAsk(ask));
      const answer = see(await connection.receive());
      connection.socket.destroy();
      return answer;
    },
  };
}
