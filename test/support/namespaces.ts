import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

/** A machine as far as its network goes: a namespace with `eth0` on a bridge that all of a network share. */
export interface Machine {
  readonly name: string;
  readonly address: string;
  /** What a command prints there; throws where it fails. */
  run(...command: readonly string[]): Promise<string>;
  /** A process there, which ends with the network. */
  spawn(command: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** As when its power goes: nobody hears of it any more. */
  unplug(): Promise<void>;
  /** Ends that. */
  plug(): Promise<void>;
}

export interface Network extends AsyncDisposable {
  machine(address: string): Promise<Machine>;
}

/** Why there can be none here; undefined where there can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  const name = `gw-try-${process.pid}`;
  try {
    await ip("netns", "add", name);
    await ip("netns", "del", name);
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made: ${String(error).split("\n")[0]}`;
  }
}

let networks = 0;

/** A network of the test's own, with addresses of 10.9.0.0/24. */
export async function makeNetwork(): Promise<Network> {
  await using stack = new AsyncDisposableStack();
  const prefix = `gw${process.pid}-${networks++}`;
  const lan = await namespace(`${prefix}-lan`, stack);
  await inside(lan, "ip", "link", "add", "lan", "type", "bridge");
  await inside(lan, "ip", "link", "set", "lan", "up");
  const running = stack.move();
  let machines = 0;
  return {
    machine: async (address) => {
      const at = machines++;
      const name = await namespace(`${prefix}-${at}`, running);
      await inside(
        lan,
        "ip",
        "link",
        "add",
        `port${at}`,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        name,
      );
      await inside(lan, "ip", "link", "set", `port${at}`, "master", "lan", "up");
      for (const device of ["lo", "eth0"]) await inside(name, "ip", "link", "set", device, "up");
      await inside(name, "ip", "address", "add", `${address}/24`, "dev", "eth0");
      return {
        name,
        address,
        run: (...command) => inside(name, ...command),
        spawn: (command, env = {}) => {
          const child = spawn("ip", ["netns", "exec", name, ...command], {
            env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
            stdio: ["pipe", "pipe", "pipe"],
          });
          running.defer(() => end(child));
          return child;
        },
        unplug: async () => {
          await inside(lan, "ip", "link", "set", `port${at}`, "down");
        },
        plug: async () => {
          await inside(lan, "ip", "link", "set", `port${at}`, "up");
        },
      };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function namespace(name: string, stack: AsyncDisposableStack): Promise<string> {
  await ip("netns", "add", name);
  stack.defer(async () => {
    // What processes have started goes with them: a namespace lives as long as one is in it.
    const pids = (await ip("netns", "pids", name)).split("\n").filter((pid) => pid !== "");
    for (const pid of pids) process.kill(Number(pid), "SIGKILL");
    await ip("netns", "del", name);
  });
  return name;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

function inside(name: string, ...command: readonly string[]): Promise<string> {
  return ip("netns", "exec", name, ...command);
}

async function ip(...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)("ip", args)).stdout;
}
