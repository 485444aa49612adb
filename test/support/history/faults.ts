import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { type HistoryGateway, type HistoryMember, type HistoryWorld, hasClocks } from "./world.ts";

/** A fault: how it begins, and how it ends. */
interface Fault {
  readonly name: string;
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** Whether what comes from an address can be lost (`apt-get install iptables`). */
const hasFilter = spawnSync("iptables", ["--version"]).status === 0;

const nothing = async (): Promise<void> => undefined;

/** What others send does not come to it, and what it sends goes out. */
function deafness(
  { machine }: HistoryMember | HistoryGateway,
  to: string,
  addresses: readonly string[],
): readonly Fault[] {
  if (!hasFilter) return [];
  const others = addresses.filter((address) => address !== machine.address);
  return [
    {
      name: `deafen ${machine.address} to ${to}`,
      begin: async () => {
        for (const address of others)
          await machine.run("iptables", "-A", "INPUT", "-s", address, "-j", "DROP");
      },
      end: async () => void (await machine.run("iptables", "-F", "INPUT")),
    },
  ];
}

function memberFaults(world: HistoryWorld, member: HistoryMember): readonly Fault[] {
  const all = world.members.map(({ machine }) => machine.address);
  const { address } = member.machine;
  const restart = async (): Promise<void> => member.launch();
  const compact = async (): Promise<void> => {
    const { header } = await world.etcd<{ header: { revision: string } }>("/v3/kv/range", { key: btoa("x") });
    await world.etcd("/v3/kv/compaction", { revision: header.revision, physical: true });
    await world.etcd("/v3/maintenance/defragment", {}, member);
  };
  return [
    { name: `kill ${address}`, begin: () => member.kill(), end: restart },
    { name: `pause ${address}`, begin: async () => member.pause(), end: async () => member.resume() },
    { name: `unplug ${address}`, begin: () => member.machine.unplug(), end: () => member.machine.plug() },
    ...deafness(member, "members", all),
    ...deafness(
      member,
      "gateways",
      world.gateways.map(({ machine }) => machine.address),
    ),
    { name: `compact, defragment ${address}`, begin: () => compact().catch(nothing), end: nothing },
    {
      name: "kill all members",
      begin: async () => void (await Promise.all(world.members.map((one) => one.kill()))),
      end: async () => {
        for (const one of world.members) one.launch();
      },
    },
  ];
}

function gatewayFaults(world: HistoryWorld, gateway: HistoryGateway): readonly Fault[] {
  const { machine, name, program } = gateway;
  const members = world.members.map((member) => member.machine.address);
  const clocks = ["+90m", "-90m"].map(
    (offset): Fault => ({
      name: `set the clock of ${name} to ${offset}`,
      begin: async () => {
        await program.kill();
        program.launch(world.clock(offset));
      },
      end: async () => {
        await program.kill();
        program.launch();
      },
    }),
  );
  return [
    { name: `kill ${name}`, begin: () => program.kill(), end: async () => program.launch() },
    { name: `kill the Caddy of ${name}`, begin: () => gateway.killCaddy(), end: nothing },
    { name: `pause ${name}`, begin: async () => program.pause(), end: async () => program.resume() },
    { name: `unplug ${name}`, begin: () => machine.unplug(), end: () => machine.plug() },
    ...deafness(gateway, "etcd", members),
    ...(hasClocks ? clocks : []),
  ];
}

/** Faults of members, and at the same time faults of gateways, one after another until it is over; all have ended then. */
export async function makeFaults(
  world: HistoryWorld,
  random: () => number,
  isOver: () => boolean,
  note: (fault: string) => void,
): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const lane = async (next: () => Fault): Promise<void> => {
    while (!isOver()) {
      await sleep(500 + 2000 * random());
      const fault = next();
      note(fault.name);
      await fault.begin();
      await sleep(500 + 3500 * random());
      await fault.end();
    }
  };
  await Promise.all([
    lane(() => pick(memberFaults(world, pick(world.members)))),
    lane(() => pick(gatewayFaults(world, pick(world.gateways)))),
  ]);
}
