import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianTree } from "./debian-tree.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

const exec = promisify(execFile);

/** Prepares the tree as engines of containers do, and has systemd be its first process. */
const boot = `set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in run tmp; do mount -t tmpfs tmpfs "$root/$place"; done
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /lib/systemd/systemd
`;

/** A Debian that systemd runs, in namespaces of its own: files, processes, network and control groups. */
export interface DebianMachine extends AsyncDisposable {
  /** Where its files are, seen from here. */
  readonly root: string;
  /** What a command prints there, as root; throws with what it complains of. */
  run(...command: readonly string[]): Promise<string>;
  /** Starts a program of this machine in the network of the other; it ends with the machine. */
  beside(...command: readonly string[]): ChildProcess;
}

/** Starts one; resolves when systemd has started what belongs to it. Needs root, and what `debianTree` needs. */
export async function startDebianMachine(): Promise<DebianMachine> {
  await using stack = new AsyncDisposableStack();
  const archive = await debianTree("machine");
  const folder = stack.use(await temporaryFolder());
  const root = join(folder.path, "root");
  await mkdir(root);
  await exec("tar", ["--extract", "--file", archive, "--directory", root]);
  const group = join(await unifiedGroups(), `gatewright-test-${process.pid}`);
  await mkdir(group);
  stack.defer(() => removeGroup(group));
  const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net"];
  // It must be in its group before the namespace of groups begins.
  const enter = `echo $$ > ${group}/cgroup.procs && exec unshare --fork --kill-child ${namespaces.join(" ")} sh -c "$1" boot "$2"`;
  const holder = spawn("sh", ["-c", enter, "enter", boot, root], { stdio: ["ignore", "ignore", "inherit"] });
  const programs: ChildProcess[] = [];
  stack.defer(async () => {
    for (const program of programs) program.kill("SIGKILL");
    const ended = once(holder, "exit");
    holder.kill("SIGKILL");
    await ended;
  });
  const children = `/proc/${holder.pid}/task/${holder.pid}/children`;
  let first = "";
  await until(async () => {
    first = (await readFile(children, "utf8")).trim();
    return first !== "";
  });
  const nsenter = (...args: readonly string[]) => ["--target", first, ...args];
  const run = async (...command: readonly string[]): Promise<string> => {
    const args = nsenter("--all", "--root", "--wd", "--", ...command);
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", DEBIAN_FRONTEND: "noninteractive" };
    return (await exec("nsenter", args, { env })).stdout.trim();
  };
  await until(() =>
    run("systemctl", "is-system-running").then(
      (state) => state === "running",
      () => false,
    ),
  );
  const running = stack.move();
  return {
    root,
    run,
    beside: (...command) => {
      const program = spawn("nsenter", nsenter("--net", "--", ...command), {
        stdio: ["pipe", "pipe", "inherit"],
      });
      programs.push(program);
      return program;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Where the control groups of version 2 are, beside those of version 1 or alone. */
async function unifiedGroups(): Promise<string> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  const [, place] = mounts.find(([, , kind]) => kind === "cgroup2") ?? [];
  if (place === undefined) throw new Error("there are no control groups of version 2");
  return place;
}

/** Those within first: a group that has any cannot go. Their processes end when the machine has. */
async function removeGroup(group: string): Promise<void> {
  const { stdout } = await exec("find", [group, "-depth", "-type", "d"]);
  for (const one of stdout.trim().split("\n"))
    await until(() =>
      exec("rmdir", [one]).then(
        () => true,
        () => false,
      ),
    );
}
