import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Agent, request } from "undici";
import type { TestAuthority } from "./acme/test-authority.ts";
import { builtProgram } from "./built-program.ts";
import { freePort } from "./free-port.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

export interface EtcdOptions {
  /** Default: 1. */
  readonly members?: number;
  /** Signs what the members show, and clients must show one of its certificates. Default: plain HTTP. */
  readonly authority?: TestAuthority;
  /** Whether it asks for names and passwords; there are `root` and `gatewright`. Default: it asks nobody. */
  readonly auth?: boolean;
  /** The address of each member, for namespaces. Default: 127.0.0.1 for all. */
  readonly addresses?: readonly string[];
  /** Has the command of a member run elsewhere, such as in its namespace. Default: as it is. */
  readonly command?: (member: number, command: readonly string[]) => readonly string[];
  /** Whether it writes to the disk before it answers, as where a machine may lose its power. Default: false. */
  readonly syncs?: boolean;
  /** More arguments, such as `--quota-backend-bytes=16777216`. */
  readonly args?: readonly string[];
}

export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

/** Paths of PEM files. */
export interface EtcdFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** One etcd, or a cluster, of processes of their own. */
export interface Etcd extends AsyncDisposable {
  /** Such as `http://127.0.0.1:12345`, in the order of the members. */
  readonly endpoints: readonly string[];
  readonly members: readonly EtcdMember[];
  /** What clients are to show; undefined without an authority. */
  readonly files: EtcdFiles | undefined;
  /** Who may read and write what begins with `/gatewright/`, and nothing else; undefined without auth. */
  readonly user: EtcdUser | undefined;
  /** A call of its JSON gateway as root, such as `call("/v3/kv/range", { key })`; at any member that answers. */
  call(operation: string, body: object, member?: EtcdMember): Promise<EtcdAnswer>;
}

// biome-ignore lint/suspicious/noExplicitAny: what etcd answers is its own, and of many kinds.
export type EtcdAnswer = any;

export interface EtcdMember {
  readonly endpoint: string;
  readonly dataDir: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** What it wrote since its last start. */
  readonly log: string;
  /** Starts it where it left off. Resolves when it answers; without a quorum it does not. */
  start(): Promise<void>;
  /** Starts it without waiting. */
  launch(): void;
  /** Resolves when it has ended. Default: SIGKILL. */
  kill(signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Its connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Forgets all it had. It must not run. */
  wipe(): Promise<void>;
}

/** Path of etcd 3.7.0: built from `test/etcd` by whoever asks first, and kept. Throws where it cannot be built. */
export function builtEtcd(): Promise<string> {
  return builtProgram(path.resolve(import.meta.dirname, "../etcd"));
}

/** Starts the members and waits until all of them answer. */
export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  await using stack = new AsyncDisposableStack();
  const program = await builtEtcd();
  const folder = stack.use(await temporaryFolder());
  const { authority, addresses = Array(options.members ?? 1).fill("127.0.0.1") as string[] } = options;
  const files = authority === undefined ? undefined : await writeFiles(authority, addresses, folder.path);
  const plans = await Promise.all(addresses.map((address, at) => plan(address, at, files !== undefined)));
  const cluster = plans.map(({ name, peer }) => `${name}=${peer}`).join();
  const dispatcher = new Agent({
    ...(authority === undefined
      ? {}
      : {
          connect: { ca: authority.pem, ...(await authority.issue({}).then(asClient)) },
        }),
  });
  stack.defer(() => dispatcher.destroy());
  const members = plans.map(({ name, client, peer }, at) => {
    const dataDir = path.join(folder.path, name);
    const args = [
      ["--name", name],
      ["--data-dir", dataDir],
      ["--listen-client-urls", client],
      ["--advertise-client-urls", client],
      ["--listen-peer-urls", peer],
      ["--initial-advertise-peer-urls", peer],
      ["--initial-cluster", cluster],
      // What a killed process has written is there all the same; only a machine that loses power needs more.
      options.syncs === true ? [] : ["--unsafe-no-fsync"],
      ["--bcrypt-cost", "4"],
      ["--log-level", "warn"],
      files === undefined ? [] : ["--cert-file", path.join(folder.path, "server.pem")],
      files === undefined ? [] : ["--key-file", path.join(folder.path, "server.key")],
      files === undefined ? [] : ["--trusted-ca-file", files.ca, "--client-cert-auth"],
      options.args ?? [],
    ].flat();
    const command = options.command?.(at, [program, ...args]) ?? [program, ...args];
    return new Member(client, dataDir, command, async () => {
      const { body, statusCode } = await request(`${client}/health`, { dispatcher, headersTimeout: 2000 });
      await body.dump();
      return statusCode === 200;
    });
  });
  for (const member of members) stack.defer(() => member.kill());
  for (const member of members) member.launch();
  await Promise.all(members.map((member) => member.ready()));
  const root = { name: "root", password: "root-password" };
  const user = { name: "gatewright", password: "gatewright-password" };
  let asked = false;
  const call = async (operation: string, body: object, member?: EtcdMember): Promise<EtcdAnswer> => {
    const endpoint = (member ?? members.find(({ answers }) => answers))?.endpoint;
    if (endpoint === undefined) throw new Error("no member of etcd runs");
    const send = async (
      at: string,
      sent: object,
      headers: Record<string, string> = {},
    ): Promise<EtcdAnswer> => {
      const response = await request(endpoint + at, {
        method: "POST",
        body: JSON.stringify(sent),
        headers,
        dispatcher,
      });
      const text = await response.body.text();
      if (response.statusCode !== 200)
        throw new Error(`etcd answered ${response.statusCode} to ${at}: ${text}`);
      return JSON.parse(text);
    };
    if (!asked) return send(operation, body);
    const { token } = (await send("/v3/auth/authenticate", root)) as { readonly token: string };
    return send(operation, body, { authorization: token });
  };
  if (options.auth === true) {
    await allow(call, root, user);
    asked = true;
  }
  const running = stack.move();
  return {
    endpoints: plans.map(({ client }) => client),
    members,
    files,
    user: options.auth === true ? user : undefined,
    call,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function plan(address: string, at: number, tls: boolean) {
  const [client, peer] = [await freePort(), await freePort()];
  return {
    name: `member-${at + 1}`,
    client: `${tls ? "https" : "http"}://${address}:${client}`,
    peer: `http://${address}:${peer}`,
  };
}

async function writeFiles(
  authority: TestAuthority,
  names: readonly string[],
  folder: string,
): Promise<EtcdFiles> {
  const server = await authority.issue({ names: [...new Set([...names, "localhost"])], commonName: "etcd" });
  // Without a common name: the JSON gateway of an etcd that asks for passwords refuses certificates that have one.
  const client = await authority.issue({ names: ["gatewright"] });
  const file = async (name: string, text: string): Promise<string> => {
    const place = path.join(folder, name);
    await writeFile(place, text, { mode: 0o600 });
    return place;
  };
  await file("server.pem", server.certificate);
  await file("server.key", server.key);
  return {
    ca: await file("ca.pem", authority.pem),
    cert: await file("client.pem", client.certificate),
    key: await file("client.key", client.key),
  };
}

function asClient({ certificate, key }: { readonly certificate: string; readonly key: string }) {
  return { cert: certificate, key };
}

/** The user has one role, of the prefix; from then on everybody is asked who they are. */
async function allow(call: Etcd["call"], root: EtcdUser, user: EtcdUser): Promise<void> {
  await call("/v3/auth/role/add", { name: "root" });
  await call("/v3/auth/role/add", { name: "gatewright" });
  const perm = { permType: "READWRITE", key: btoa("/gatewright/"), range_end: btoa("/gatewright0") };
  await call("/v3/auth/role/grant", { name: "gatewright", perm });
  for (const { name, password } of [root, user]) {
    await call("/v3/auth/user/add", { name, password });
    await call("/v3/auth/user/grant", { user: name, role: name });
  }
  await call("/v3/auth/enable", {});
}

class Member implements EtcdMember {
  readonly endpoint: string;
  readonly dataDir: string;
  log = "";
  /** Whether it runs, and was not paused. */
  answers = false;
  readonly #command: readonly string[];
  readonly #isReady: () => Promise<boolean>;
  #child: ChildProcess | undefined;

  constructor(
    endpoint: string,
    dataDir: string,
    command: readonly string[],
    isReady: () => Promise<boolean>,
  ) {
    this.endpoint = endpoint;
    this.dataDir = dataDir;
    this.#command = command;
    this.#isReady = isReady;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  launch(): void {
    if (this.#child !== undefined) throw new Error(`${this.endpoint} runs`);
    const [program = "", ...args] = this.#command;
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.log = "";
    child.stderr.on("data", (chunk: Buffer) => (this.log += chunk));
    child.once("exit", () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.answers = false;
    });
    this.#child = child;
    this.answers = true;
  }

  async ready(): Promise<void> {
    await until(async () => {
      if (this.#child === undefined) throw new Error(`etcd ended:\n${this.log}`);
      return this.#isReady().catch(() => false);
    });
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }

  pause(): void {
    this.answers = false;
    const { pid } = this.#child ?? {};
    if (pid === undefined) return;
    process.kill(pid, "SIGSTOP");
    // On a busy machine its threads go on until one of them has noticed.
    while (!areStopped(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
    this.answers = this.#child !== undefined;
  }

  async wipe(): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true });
    await mkdir(this.dataDir, { mode: 0o700 });
  }
}

function areStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").includes(") T "),
  );
}
