import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { type Child, startServer } from "../child.ts";
import { addressOf } from "../seed.ts";

export interface CoreDnsOptions {
  readonly binary: string;
  readonly folder: string;
  /** Names in its hosts file. */
  readonly size: number;
  /** Processors it is tied to; it runs Go code on one at a time. */
  readonly processors?: string;
}

/** Starts CoreDNS with its `hosts` plugin on a free loopback port, with the names and addresses of the seed. */
export async function startCoreDns(options: CoreDnsOptions): Promise<Child & { readonly port: number }> {
  const port = await freePort();
  await mkdir(options.folder, { recursive: true });
  const hosts = join(options.folder, "hosts");
  const corefile = join(options.folder, "Corefile");
  const lines = Array.from({ length: options.size }, (_, at) => `${addressOf(at)} vm-${at}.hypeman.internal`);
  await writeFile(hosts, `${lines.join("\n")}\n`);
  await writeFile(
    corefile,
    `hypeman.internal:${port} {\n  bind 127.0.0.1\n  hosts ${hosts} {\n    ttl 5\n    reload 0\n  }\n}\n`,
  );
  const child = await startServer(options.binary, ["-conf", corefile, "-quiet"], {
    environment: { GOMAXPROCS: "1" },
    ...(options.processors === undefined ? {} : { processors: options.processors }),
  });
  return { ...child, port };
}
