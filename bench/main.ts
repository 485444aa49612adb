import { rmSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtCaddy } from "../test/support/caddy-binary.ts";
import { freePort } from "../test/support/free-port.ts";
import { atExit } from "./at-exit.ts";
import { startServer } from "./child.ts";
import { LoadGenerator } from "./load-generator.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { startCaddyPeer } from "./peers/caddy.ts";
import { staticRoute } from "./peers/static-route.ts";
import { describe, type Measurement, renderTable, reportOf } from "./report.ts";
import type { Bench, Row } from "./row.ts";
import { rows } from "./rows/index.ts";
import { addressOf, type HostKind } from "./seed.ts";
import { openSite, type Site } from "./site.ts";
import { builtTool } from "./tools.ts";

const say = (line: string) => process.stderr.write(`bench: ${line}\n`);

/** Measures the chosen rows at the chosen sizes. */
async function measureAll(options: Options): Promise<readonly Measurement[]> {
  const chosen = chooseRows(options);
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(join(tmpdir(), "gatewright-bench-"));
  const forget = atExit(() => rmSync(scratch, { recursive: true, force: true }));
  stack.defer(async () => {
    forget();
    await rm(scratch, { recursive: true, force: true });
  });
  if (options.profileDir !== undefined) await mkdir(options.profileDir, { recursive: true });

  // A copy, so that a build meanwhile does not change what is measured.
  const caddyBinary = join(scratch, "caddy");
  await copyFile(await builtCaddy(), caddyBinary);
  const load = new LoadGenerator(await builtTool("load"));
  const backendPort = await freePort();
  const environment = { GOMAXPROCS: "1" };
  const backendArgs = ["backend", `-listen=0.0.0.0:${backendPort}`];
  const backend = stack.use(await startServer(load.path, backendArgs, { environment }));
  const peerRoutes = [staticRoute(addressOf(0), backendPort)];
  const staticPeer = stack.use(await startCaddyPeer(caddyBinary, join(scratch, "static"), peerRoutes));
  const open = (size: number, kind: HostKind) => openSite({ size, kind, caddyBinary, backendPort });
  const one = stack.use(await open(1, "literal"));
  const coreDns = () => builtTool("coredns");
  const bench: Bench = {
    options,
    say,
    load,
    caddyBinary,
    scratch,
    backendPort,
    backend,
    staticPeer,
    one,
    coreDns,
  };

  const measurements: Measurement[] = [];
  for (const size of options.sizes) {
    for (const kind of ["literal", "pattern"] as const) {
      const ofKind = chosen.filter((row) => row.once !== true && (row.kind ?? "literal") === kind);
      if (ofKind.length === 0) continue;
      say(`${size.toLocaleString("en")} ingresses, ${kind} hostnames`);
      if (size === 1 && kind === "literal") {
        measurements.push(...(await measureSite(bench, one, ofKind)));
        continue;
      }
      await using site = await open(size, kind);
      measurements.push(...(await measureSite(bench, site, ofKind)));
    }
  }
  // Last, since they leave traces in the memory that others are compared with.
  const once = chosen.filter((row) => row.once === true);
  measurements.push(...(await measureSite(bench, one, once)));
  return measurements;
}

/** Measures the rows one after another. One that fails is reported and makes the run fail; the others go on. */
async function measureSite(
  bench: Bench,
  site: Site,
  chosen: readonly Row[],
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (const row of chosen) {
    const began = performance.now();
    try {
      const taken = await row.measure(bench, site);
      for (const one of taken) say(describe(one));
      measurements.push(...taken);
      say(`${row.key} took ${((performance.now() - began) / 1000).toFixed(1)} s`);
    } catch (error) {
      say(`${row.key} FAILED: ${String(error)}\nthe manager's last output:\n${site.gatewright.output()}`);
      process.exitCode = 1;
    }
  }
  return measurements;
}

function chooseRows({ only, quick }: Options): readonly Row[] {
  const unknown = only.filter((key) => !rows.some((row) => row.key === key));
  if (unknown.length > 0) throw new Error(`no such row: ${unknown.join(", ")}; --list names them`);
  if (only.length > 0) return rows.filter((row) => only.includes(row.key));
  return rows.filter((row) => row.named !== true && !(quick && row.quick === false));
}

const options = readOptions(process.argv.slice(2));
if (options === "help") console.log(usage);
else if (options === "list")
  console.log(rows.map(({ key, about }) => `${key.padEnd(18)} ${about}`).join("\n"));
else {
  const takenAt = new Date();
  const measurements = await measureAll(options);
  console.log(renderTable(measurements));
  if (options.jsonFile !== undefined)
    await writeFile(options.jsonFile, `${JSON.stringify(reportOf(measurements, takenAt), undefined, 2)}\n`);
}
