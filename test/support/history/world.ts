import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Gateway as GatewayInfo, Ingress } from "../../../src/model/api.ts";
import { builtCaddy, testCacheDir } from "../caddy-binary.ts";
import { builtEtcd } from "../etcd.ts";
import { type Machine, makeNetwork } from "../namespaces.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { until } from "../until.ts";
import { type Ask, startVisitor } from "./visitor.ts";

/** Where all backends listen: an ingress is told by where it leads. */
export const BACKENDS = [9001, 9002, 9003, 9004] as const;
const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/** Whether the clock of one process can be set here (`apt-get install faketime`). */
export const hasClocks = existsSync(FAKETIME);

/** A process in a machine, which is killed, paused and started again. */
export class Program {
  readonly machine: Machine;
  readonly #command: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  output = "";

  constructor(machine: Machine, command: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.machine = machine;
    this.#command = command;
    this.#environment = environment;
  }

  launch(more: NodeJS.ProcessEnv = {}): void {
    const child = this.machine.spawn(this.#command, { ...this.#environment, ...more });
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => (this.output = `${this.output}${chunk}`.slice(-100_000)));
    this.#child = child;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }
}

export interface HistoryMember extends Program {
  readonly endpoint: string;
}

export interface HistoryGateway {
  readonly name: string;
  readonly program: Program;
  readonly machine: Machine;
  /** A call of its API, from its machine. */
  readonly ask: Ask;
  /** SIGKILL for its Caddy, which it starts again. */
  killCaddy(): Promise<void>;
  /** Its ingresses; rejects where it does not tell. */
  list(): Promise<readonly Ingress[]>;
  /** Which backend answers for a host; undefined for none. */
  leads(host: string): Promise<number | undefined>;
}

/** Three members of etcd and three gateways, each in a machine of its own. */
export interface HistoryWorld extends AsyncDisposable {
  readonly members: readonly HistoryMember[];
  readonly gateways: readonly HistoryGateway[];
  readonly storeKey: string;
  /** What a gateway is launched with so that its clock is another one. */
  clock(offset: string): NodeJS.ProcessEnv;
  /** A call of etcd's JSON gateway at any member that answers; rejects where none does. */
  etcd<Answer>(path: string, body: object, member?: HistoryMember): Promise<Answer>;
  /** Resolves when all gateways are ready and serve the same revision, and etcd has had no other for a while. */
  settled(): Promise<void>;
}

export async function startHistoryWorld(): Promise<HistoryWorld> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const network = stack.use(await makeNetwork());
  const addresses = [11, 12, 13].map((last) => `10.9.0.${last}`);
  const [etcd, caddy] = [await builtEtcd(), await builtCaddy()];
  const cluster = addresses.map((address) => `${address}=http://${address}:2380`).join();
  const members: HistoryMember[] = [];
  for (const address of addresses) {
    const [client, peer] = [`http://${address}:2379`, `http://${address}:2380`];
    const flags = [
      ["--name", address, "--data-dir", join(folder.path, address)],
      ["--listen-client-urls", client, "--advertise-client-urls", client],
      ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      // What a killed process has written is there all the same; only a machine that loses power needs more.
      ["--initial-cluster", cluster, "--unsafe-no-fsync", "--log-level", "error"],
    ];
    const program = new Program(await network.machine(address), [etcd, ...flags.flat()]);
    program.launch();
    members.push(Object.assign(program, { endpoint: client }));
  }
  const storeKey = randomBytes(32).toString("base64");
  const observer = startVisitor(await network.machine("10.9.0.100"));
  const askEtcd: HistoryWorld["etcd"] = async <Answer>(
    path: string,
    body: object,
    member?: HistoryMember,
  ) => {
    for (const { endpoint } of member === undefined ? members : [member]) {
      const got = await observer(endpoint + path, { body, timeoutMs: 3000 });
      if (got.status === 200) return JSON.parse(got.text) as Answer;
    }
    throw new TypeError(`etcd does not answer ${path}`);
  };
  await until(() => askEtcd("/v3/kv/range", { key: btoa("x") }).then(() => true));
  const gateways: HistoryGateway[] = [];
  for (const [index, name] of ["one", "two", "three"].entries()) {
    const machine = await network.machine(`10.9.0.${21 + index}`);
    const dataDir = join(folder.path, name);
    const main = resolve(import.meta.dirname, "../../../src/main.ts");
    const program = new Program(machine, [process.execPath, main], {
      DATA_DIR: dataDir,
      CADDY_BIN: caddy,
      NODE_COMPILE_CACHE: join(testCacheDir, "compile"),
      STORE: "etcd",
      ETCD_ENDPOINTS: members.map(({ endpoint }) => endpoint).join(),
      STORE_KEY: storeKey,
      GATEWAY_NAME: name,
      CADDY_LISTEN_ADDRESS: "127.0.0.1",
    });
    program.launch();
    const visit = startVisitor(machine, BACKENDS);
    const ask: Ask = (path, options) => visit(`http://127.0.0.1:8080${path}`, options);
    gateways.push({
      name,
      machine,
      program,
      ask,
      killCaddy: async () => {
        const pid = Number(await readFile(join(dataDir, "caddy/caddy.pid"), "utf8").catch(() => ""));
        if (pid > 1) process.kill(pid, "SIGKILL");
      },
      list: async () => {
        const got = await ask("/ingresses?limit=1000");
        if (got.status !== 200) throw new TypeError(`${name} does not tell its ingresses`);
        return JSON.parse(got.text) as readonly Ingress[];
      },
      leads: async (host) => {
        const got = await visit("http://127.0.0.1/", { headers: { host } });
        return got.status === 200 ? Number(got.text) : undefined;
      },
    });
  }
  const isReady = async ({ ask }: HistoryGateway) => (await ask("/ready")).status === 200;
  await until(async () => (await Promise.all(gateways.map(isReady))).every(Boolean), 60_000);
  for (const { ask } of gateways)
    await ask("/instances/vm", { method: "PUT", body: { network: { ip: "127.0.0.1" } } });
  const revision = async (): Promise<number> => {
    const [one] = gateways;
    const got = await one?.ask("/gateways");
    if (got?.status !== 200) throw new TypeError("it does not answer yet");
    const told = JSON.parse(got.text) as readonly GatewayInfo[];
    const revisions = new Set(told.map((gateway) => (gateway.ready ? gateway.revision : Number.NaN)));
    if (told.length !== gateways.length || revisions.size !== 1 || revisions.has(Number.NaN))
      throw new TypeError("they do not agree yet");
    return [...revisions][0] as number;
  };
  const running = stack.move();
  return {
    members,
    gateways,
    storeKey,
    etcd: askEtcd,
    // Timers go on by the true clock, so that a test does not wait for hours.
    clock: (offset) => ({ LD_PRELOAD: FAKETIME, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" }),
    settled: async () => {
      await until(async () => (await Promise.all(gateways.map(isReady))).every(Boolean), 90_000);
      // What a gateway tries for a client that has gone takes five seconds at the most.
      let [seen, since] = [-1, 0];
      await until(async () => {
        const now = await revision();
        if (now !== seen) [seen, since] = [now, performance.now()];
        return performance.now() - since > 6000;
      }, 90_000);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { program } of gateways) program.resume();
      for (const member of members) member.resume();
      await running.disposeAsync();
    },
  };
}
