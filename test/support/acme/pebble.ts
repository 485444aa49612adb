import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../free-port.ts";
import { until } from "../until.ts";
import { openSwingDoor } from "./door.ts";
import { pebbleBinary } from "./pebble-binary.ts";
import type { TestAuthority } from "./test-authority.ts";

/** Characters. */
const KEPT_OUTPUT = 1 << 16;

/** A running ACME authority. */
export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** The root that its certificates are verified by. It is another one after each start. */
  root(): Promise<string>;
  /** How many certificates it has issued. */
  issued(): number;
  /** How many orders it has been asked for. */
  orders(): number;
  /** How many authorizations came to nothing: it did not find the answer to their challenge. */
  refused(): number;
  /** How many certificates it has issued for each name; asks for each. */
  issuedFor(): Promise<ReadonlyMap<string, number>>;
  /** What it has said last. */
  output(): string;
  /** Makes it unreachable, as when its network is down; it forgets nothing. */
  disconnect(): Promise<void>;
  connect(): Promise<void>;
}

export interface PebbleOptions {
  /** Signs the certificate of Pebble's own listener. */
  readonly authority: TestAuthority;
  /** Where it looks for HTTP-01 and TLS-ALPN-01 answers. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** DNS server, `host:port`. */
  readonly dns: string;
  /** Default: 90 days. */
  readonly validitySeconds?: number;
  /** Key id → HMAC key (base64url): accounts need an external binding. */
  readonly eab?: { readonly [keyId: string]: string };
}

export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const binary = await pebbleBinary();
  const folder = await mkdtemp(join(tmpdir(), "gatewright-pebble-"));
  const [front, port, management] = [await freePort(), await freePort(), await freePort()];
  const pair = await options.authority.issue({ names: ["localhost", "127.0.0.1"] });
  await writeFile(join(folder, "cert.pem"), pair.certificate);
  await writeFile(join(folder, "key.pem"), pair.key, { mode: 0o600 });
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify(configuration(options, folder, port, management)),
  );
  let child: ChildProcess | undefined;
  let output = "";
  let orders = 0;
  let refused = 0;
  const serials: string[] = [];

  function read(line: string): void {
    output = `${output}${line}\n`.slice(-KEPT_OUTPUT);
    const serial = /Issued certificate serial (\S+)/.exec(line)?.[1];
    if (serial !== undefined) serials.push(serial);
    else if (line.includes('Added order "')) orders += 1;
    else if (line.includes("set INVALID by completed challenge")) refused += 1;
  }

  async function start(): Promise<void> {
    const started = spawn(binary, ["-config", join(folder, "config.json"), "-dnsserver", options.dns], {
      env: {
        PATH: process.env["PATH"],
        PEBBLE_VA_NOSLEEP: "1",
        PEBBLE_WFE_NONCEREJECT: "0",
        PEBBLE_AUTHZREUSE: "0",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const input of [started.stdout, started.stderr]) createInterface({ input }).on("line", read);
    await until(async () => {
      if (started.exitCode !== null) throw new Error(`Pebble ended:\n${output}`);
      return fetchText(`https://127.0.0.1:${port}/dir`).then(
        () => true,
        () => false,
      );
    });
  }

  async function stop(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  await start();
  const door = await openSwingDoor(front, port);
  return {
    directory: `https://127.0.0.1:${front}/dir`,
    root: () => fetchText(`https://127.0.0.1:${management}/roots/0`),
    issued: () => serials.length,
    orders: () => orders,
    refused: () => refused,
    issuedFor: async () => {
      const counts = new Map<string, number>();
      for (const serial of serials) {
        const url = `https://127.0.0.1:${management}/cert-status-by-serial/${serial}`;
        const { Certificate } = JSON.parse(await fetchText(url)) as { readonly Certificate: string };
        for (const name of namesOf(Certificate)) counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      return counts;
    },
    output: () => output,
    ...door,
    [Symbol.asyncDispose]: async () => {
      await door.disconnect();
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function namesOf(certificate: string): readonly string[] {
  const { subjectAltName = "" } = new X509Certificate(certificate);
  return subjectAltName.split(", ").map((name) => name.replace(/^DNS:/, ""));
}

function configuration(options: PebbleOptions, folder: string, port: number, management: number): object {
  const { eab, httpPort, tlsPort, validitySeconds = 90 * 24 * 3600 } = options;
  return {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: join(folder, "cert.pem"),
      privateKey: join(folder, "key.pem"),
      httpPort,
      tlsPort,
      keyAlgorithm: "ecdsa",
      retryAfter: { authz: 1, order: 1 },
      profiles: { default: { description: "default", validityPeriod: validitySeconds } },
      ...(eab === undefined ? {} : { externalAccountBindingRequired: true, externalAccountMACKeys: eab }),
    },
  };
}

/** Pebble's own certificate is the test's; who it is does not matter here. */
function fetchText(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sent = request(url, { rejectUnauthorized: false, agent: false, timeout: 5_000 }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.on("end", () => resolve(text));
  });
  sent.on("timeout", () => sent.destroy(new Error("no answer")));
  sent.on("error", reject);
  sent.end();
  return promise;
}
