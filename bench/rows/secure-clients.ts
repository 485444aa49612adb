import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Run, runReporting } from "../child.ts";
import { failuresOf, type LoadReport } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import type { Bench } from "../row.ts";
import { hostOf } from "../seed.ts";
import type { Site } from "../site.ts";

const EACH = 8;
const SOCKETS = 20;
const clientsFolder = join(import.meta.dirname, "../clients");

interface Client {
  readonly name: string;
  readonly run: Run<Pick<LoadReport, "requests" | "failures">>;
}

/** What each client met. */
export type Met = readonly {
  readonly name: string;
  readonly requests: number;
  readonly failures: LoadReport["failures"];
}[];

/** Does something while clients of several makes keep asking over TLS and secure WebSockets are open. */
export async function watchedSecurely(bench: Bench, site: Site, work: () => Promise<void>): Promise<Met> {
  const clients = await startClients(bench, site);
  try {
    await Promise.all(clients.map(({ run }) => run.ready));
    await work();
  } finally {
    for (const { run } of clients) run.end();
  }
  return Promise.all(clients.map(async ({ name, run }) => ({ name, ...(await run.report) })));
}

async function startClients(bench: Bench, site: Site): Promise<readonly Client[]> {
  const load = (secure: "h1" | "h2") =>
    bench.load.start("http", { ...site.target, connections: EACH, secure });
  const host = hostOf(0);
  const args = [String(site.httpPort), host, String(EACH)];
  const clients: Client[] = [
    { name: `${EACH} clients of HTTP/1.1 (Go)`, run: load("h1") },
    { name: `${EACH} clients of HTTP/2 (Go)`, run: load("h2") },
    {
      name: `${SOCKETS} WebSockets (Go)`,
      run: bench.load.start("websocket", { ...site.target, sockets: SOCKETS, secure: true }),
    },
    {
      name: `${EACH} clients of either (undici)`,
      run: runReporting(process.execPath, [join(clientsFolder, "steady.ts"), ...args]),
    },
  ];
  if (has("python3", "--version"))
    clients.push({
      name: `${EACH} clients of HTTP/1.1 (Python)`,
      run: runReporting("python3", [join(clientsFolder, "steady.py"), ...args]),
    });
  if (has("java", "-version")) {
    const hosts = join(bench.scratch, "hosts");
    await writeFile(hosts, `127.0.0.1 ${host}\n`);
    const flags = [
      `-Djdk.net.hosts.file=${hosts}`,
      "-Djdk.internal.httpclient.disableHostnameVerification=true",
    ];
    clients.push({
      name: `${EACH} clients of either (Java)`,
      run: runReporting("java", [...flags, join(clientsFolder, "Steady.java"), ...args]),
    });
  }
  return clients;
}

function has(program: string, flag: string): boolean {
  const found = spawnSync(program, [flag]).status === 0;
  if (!found) process.stderr.write(`bench: ${program} is not installed: its clients are left out\n`);
  return found;
}

/** What failed, which must be nothing, by client. */
export function failuresMet(row: string, during: string, size: number, met: Met): readonly Measurement[] {
  return met.map(({ name, requests, failures }) => {
    const value = failuresOf({ failures } as LoadReport);
    const kinds = Object.keys(failures).join(", ");
    const outOf = ` of ${requests.toLocaleString("en")}`;
    return {
      row,
      what: `${name} during ${during}${kinds === "" ? "" : ` (${kinds})`}${outOf}`,
      size,
      value,
      unit: "failed",
      goal: { text: "0", met: value === 0 },
    };
  });
}
