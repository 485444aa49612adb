import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { AddressLookup, type AddressLookupOptions } from "../../src/targets/address-lookup.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What a DNS server answers for a name: addresses of IPv4 with commas between them, an RCODE, or nothing at all. */
type Answers = (name: string, isA: boolean) => string | number | undefined;

/** A DNS server with its own answers; `asked` has the names in the order of the questions for A. */
async function serve(answers: Answers): Promise<{ server: string; asked: string[] }> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (question: Buffer, from: RemoteInfo) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const end = at + 5;
    const isA = question.readUInt16BE(at + 1) === 1;
    const name = labels.join(".");
    if (isA) asked.push(name);
    const found = answers(name, isA);
    if (found === undefined) return;
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(0x8180 | (typeof found === "number" ? found : 0), 2);
    const addresses = typeof found === "string" && isA ? found.split(",") : [];
    header.writeUInt16BE(addresses.length, 6);
    header.writeUInt32BE(0, 8);
    const records = addresses.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split(".").map(Number)]),
    );
    socket.send(Buffer.concat([header, question.subarray(12, end), ...records]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  closers.push(() => socket.close());
  return { server: `127.0.0.1:${socket.address().port}`, asked };
}

async function files(hosts: string, resolv: string): Promise<AddressLookupOptions> {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-lookup-"));
  closers.push(() => rm(folder, { recursive: true }));
  const [hostsFile, resolvConf] = [join(folder, "hosts"), join(folder, "resolv.conf")];
  await writeFile(hostsFile, hosts);
  await writeFile(resolvConf, resolv);
  return { hostsFile, resolvConf };
}

describe("a look-up of a name outside of the instances", () => {
  it("C7: is one question for all who ask, is bounded in time and number, and keeps no other waiting", async () => {
    const silent = await serve(() => undefined);
    const alive = await serve(() => "192.0.2.1");
    const lookup = new AddressLookup({ servers: [silent.server], timeoutMs: 500, atOnce: 8 });
    const names = Array.from({ length: 20 }, (_, at) => `dead-${at}.test.`);
    const dead = [...names, ...names, ...names].map((name) => lookup.find(name));
    await until(() => silent.asked.length === 8);
    // Threads of getaddrinfo, of which the process has four, have nothing to do with it.
    expect(await new AddressLookup({ servers: [alive.server] }).find("live.test.")).toEqual({
      addresses: ["192.0.2.1"],
    });
    expect(silent.asked).toHaveLength(8);
    const answers = await Promise.all(dead);
    expect(new Set(answers.map(({ reason }) => reason))).toEqual(new Set(["DNS: ETIMEOUT"]));
    expect(answers.every(({ failed }) => failed === true)).toBe(true);
    expect([...silent.asked].sort()).toEqual(names.map((name) => name.slice(0, -1)).sort());
  });

  it("tells an answer that there is nothing from a failure to answer", async () => {
    const { server } = await serve((name) => (name === "broken.test" ? 2 : 3));
    const lookup = new AddressLookup({ servers: [server] });
    expect(await lookup.find("nobody.test.")).toEqual({ addresses: [], reason: "DNS: ENOTFOUND" });
    expect(await lookup.find("broken.test.")).toMatchObject({ reason: "DNS: ESERVFAIL", failed: true });
  });

  it("reads the hosts file and the search list as the system does", async () => {
    const { server, asked } = await serve((name) => (name === "db.lab.test" ? "192.0.2.7" : 3));
    const system = await files(
      "# hosts\n192.0.2.5 cache Cache.example # one\n::1 cache\n\nnonsense\n",
      "nameserver 192.0.2.53\nsearch corp.test lab.test\n",
    );
    const lookup = new AddressLookup({ ...system, servers: [server] });
    expect(await lookup.find("CACHE")).toEqual({ addresses: ["192.0.2.5", "::1"] });
    expect(asked).toEqual([]);
    expect(await lookup.find("db")).toEqual({ addresses: ["192.0.2.7"] });
    expect(asked.splice(0)).toEqual(["db.corp.test", "db.lab.test"]);
    await lookup.find("a.example");
    expect(asked.splice(0)).toEqual(["a.example", "a.example.corp.test", "a.example.lab.test"]);
    // Servers that the target names are asked for what it says.
    await lookup.find("cache", [server]);
    expect(asked).toEqual(["cache"]);
  });

  it("answers addresses in one order, whatever that of the DNS", async () => {
    const { server } = await serve(() => "192.0.2.9,192.0.2.1,192.0.2.5");
    expect(await new AddressLookup({ servers: [server] }).find("many.test.")).toEqual({
      addresses: ["192.0.2.1", "192.0.2.5", "192.0.2.9"],
    });
  });

  it("of an address is the address", async () => {
    expect(await new AddressLookup().find("fd00::1")).toEqual({ addresses: ["fd00::1"] });
  });

  it("stops at a failure, which is no answer that there is nothing, and asks again the next time", async () => {
    let code = 2;
    const { server, asked } = await serve((name) => (name === "db.one.test" ? code : "192.0.2.7"));
    const system = await files("", "domain zero.test\nsearch .one.test two.test\noptions ndots:1\n");
    const lookup = new AddressLookup({ ...system, servers: [server] });
    expect(await lookup.find("db")).toMatchObject({ addresses: [], failed: true });
    expect(asked.splice(0)).toEqual(["db.one.test"]);
    code = 3;
    expect(await lookup.find("db")).toEqual({ addresses: ["192.0.2.7"] });
    expect(asked.splice(0)).toEqual(["db.one.test", "db.two.test"]);
    // A name with dots is tried as it is before it is made longer, one that ends with a dot as it is only.
    await lookup.find("x.test");
    await lookup.find("db.one.test.");
    expect(asked).toEqual(["x.test", "db.one.test"]);
  });

  it("does without files of the system, and counts a name in none of them as one of the DNS", async () => {
    const { server, asked } = await serve(() => "192.0.2.7");
    const nowhere = { hostsFile: "/nowhere/hosts", resolvConf: "/nowhere/resolv.conf" };
    const lookup = new AddressLookup({ ...nowhere, servers: [server] });
    expect(await lookup.find("db")).toEqual({ addresses: ["192.0.2.7"] });
    const system = await files("192.0.2.5 # db\n300.1.1.1 db\n192.0.2.6 other db.\n", "");
    expect(await new AddressLookup({ ...system, servers: [server] }).find("db")).toMatchObject({
      addresses: ["192.0.2.7"],
    });
    expect(await new AddressLookup(system).find("other.")).toEqual({ addresses: ["192.0.2.6"] });
    expect(asked).toEqual(["db", "db"]);
  });

  it("that fails for one family fails when the other has nothing", async () => {
    const { server } = await serve((name, isA) => (name === "half.test" && isA ? 2 : 3));
    const lookup = new AddressLookup({ servers: [server] });
    expect(await lookup.find("half.test.")).toEqual({
      addresses: [],
      reason: "DNS: ESERVFAIL",
      failed: true,
    });
  });
});
