import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { pythonTools } from "./foreign-tools.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const exec = promisify(execFile);

/** Needed where root may not raise limits, and where control groups are of two versions. */
const runArgs = ["--cgroups=disabled", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"];
/** It has no release for Debian that reads addresses of networks. */
const COMPOSE = "podman-compose==1.5.0";

/** Podman with images, containers and a network of the test's own: its ports are those of the network alone. */
export interface Podman extends AsyncDisposable {
  /** What `podman …` prints; throws with what it complains of. */
  podman(...args: readonly string[]): Promise<string>;
  /** The same of podman-compose, in a folder. */
  compose(folder: string, environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<string>;
  /** What a program of this machine prints that runs in the network. */
  beside(...command: readonly string[]): Promise<string>;
}

/** Starts nothing but a process that holds the namespaces. */
export async function startPodman(): Promise<Podman> {
  await using stack = new AsyncDisposableStack();
  const tools = await pythonTools([COMPOSE]);
  if (tools === undefined) throw new Error(`${COMPOSE} cannot be installed`);
  const folder = stack.use(await temporaryFolder());
  // Who has which address stands in /run, whatever the stores are.
  const script = [
    "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    "mkdir -p /run/containers && mount -t tmpfs tmpfs /run/containers",
    "ip link set lo up && echo ready && exec cat",
  ].join(" && ");
  const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  stack.defer(async () => {
    const ended = once(holder, "exit");
    holder.stdin.end();
    await ended;
  });
  await once(holder.stdout, "data");
  const enter = ["--target", String(holder.pid), "--net"];
  const stores = [
    ...["--root", join(folder.path, "storage"), "--runroot", join(folder.path, "run")],
    ...["--network-config-dir", join(folder.path, "networks")],
  ];
  const podman = async (...args: readonly string[]): Promise<string> => {
    const command = [...enter, "--mount", "podman", ...stores, ...args];
    const { stdout } = await exec("nsenter", command, { maxBuffer: 64 * 1024 * 1024 });
    return stdout.trim();
  };
  stack.defer(async () => {
    await podman("rm", "--all", "--force", "--time", "2");
    await podman("network", "prune", "--force");
    await podman("volume", "prune", "--force");
    await podman("rmi", "--all", "--force");
  });
  const running = stack.move();
  return {
    podman,
    compose: async (path, environment, ...args) => {
      const program = [join(tools, "podman-compose"), "--in-pod", "false"];
      const options = ["--podman-args", stores.join(" "), "--podman-run-args", runArgs.join(" ")];
      const command = [...enter, "--mount", `--wd=${path}`, ...program, ...options, ...args];
      const { stdout, stderr } = await exec("nsenter", command, { env: { ...process.env, ...environment } });
      return stdout + stderr;
    },
    beside: async (...command) => (await exec("nsenter", [...enter, ...command])).stdout,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
