import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { until } from "../until.ts";
import { openSwingDoor } from "./door.ts";
import { goBinary } from "./go-binary.ts";
import { createTestAuthority } from "./test-authority.ts";

/** A running step-ca with an ACME provisioner. */
export interface StepCa extends AsyncDisposable {
  readonly directory: string;
  /** PEM of the root, which signs its own listener's certificate too. */
  readonly root: string;
  output(): string;
  /** Makes it unreachable; it forgets nothing. */
  disconnect(): Promise<void>;
  connect(): Promise<void>;
}

export interface StepCaOptions {
  /** The one challenge that it offers. */
  readonly challenge: "http-01" | "tls-alpn-01";
  /** Where it looks for answers to it. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** DNS server, `host:port`. */
  readonly dns: string;
  /** Such as `6m`, from the order on; certificates are dated back by a minute more. */
  readonly validity: string;
  /** Names that its policy refuses. */
  readonly refused: readonly string[];
}

export async function startStepCa(options: StepCaOptions): Promise<StepCa> {
  const binary = await goBinary({
    module: "github.com/smallstep/certificates",
    folder: "cmd/step-ca",
    version: "v0.28.4",
  });
  const folder = await mkdtemp(join(tmpdir(), "gatewright-step-ca-"));
  const [front, port] = [await freePort(), await freePort()];
  const authority = await createTestAuthority("step root");
  const below = await authority.intermediate("step intermediate");
  await mkdir(join(folder, "db"));
  await writeFile(join(folder, "root.crt"), authority.pem);
  await writeFile(join(folder, "intermediate.crt"), below.pem);
  await writeFile(join(folder, "intermediate.key"), await below.key(), { mode: 0o600 });
  await writeFile(join(folder, "ca.json"), JSON.stringify(configuration(options, folder, port)));
  let output = "";
  const { httpPort, tlsPort, dns } = options;
  const ports = [`--acme-http-port=${httpPort}`, `--acme-tls-port=${tlsPort}`, "--insecure"];
  const child: ChildProcess = spawn(binary, [join(folder, "ca.json"), `--resolver=${dns}`, ...ports], {
    env: { PATH: process.env["PATH"], HOME: folder, STEPPATH: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error(`step-ca ended:\n${output}`);
      return output.includes("Serving HTTPS on");
    }, 60_000);
  } catch (error) {
    await stop();
    throw error;
  }
  const door = await openSwingDoor(front, port);
  return {
    directory: `https://127.0.0.1:${front}/acme/acme/directory`,
    root: authority.pem,
    output: () => output,
    ...door,
    [Symbol.asyncDispose]: async () => {
      await door.disconnect();
      await stop();
    },
  };
}

function configuration(
  { challenge, validity, refused }: StepCaOptions,
  folder: string,
  port: number,
): object {
  const claims = {
    minTLSCertDuration: "10s",
    defaultTLSCertDuration: validity,
    maxTLSCertDuration: "24h",
  };
  return {
    root: join(folder, "root.crt"),
    crt: join(folder, "intermediate.crt"),
    key: join(folder, "intermediate.key"),
    address: `127.0.0.1:${port}`,
    dnsNames: ["127.0.0.1", "localhost"],
    logger: { format: "text" },
    db: { type: "badgerv2", dataSource: join(folder, "db") },
    authority: {
      provisioners: [{ type: "ACME", name: "acme", challenges: [challenge], claims }],
      policy: { x509: { allow: { dns: ["*.example.test"] }, deny: { dns: refused } } },
    },
  };
}
