import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileStore } from "../../src/store/file-store.ts";

// node test/store/measure.ts [folder]: times of the file store on the disk of that folder (default: the system's
// temporary one), beside the bare fdatasync of the same bytes in the same run.
const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), "gatewright-measure-"));

function ingress(index: number) {
  const id = `c${String(index).padStart(23, "0")}`;
  const match = { hostname: `shop-${index}.example.com`, port: 80 };
  const rule = { match, target: { instance: `web-${index}`, port: 8080 }, tls: false, redirect_http: false };
  const time = "2025-01-01T00:00:00Z";
  return {
    id,
    name: `shop-${index}`,
    tags: { team: "web" },
    rules: [rule],
    created_at: time,
    updated_at: time,
  };
}

async function timesOf(rounds: number, run: (round: number) => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await run(round);
    times.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000 / rounds;
  times.sort((a, b) => a - b);
  const at = (share: number) => `${times[Math.floor(share * (rounds - 1))]?.toFixed(2)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}; processor ${cpuMs.toFixed(2)} ms each`;
}

async function measureBare(): Promise<void> {
  await using file = await open(join(root, "bare"), "wx");
  const bytes = Buffer.alloc(400, "x");
  const append = async () => {
    await file.write(bytes);
    await file.datasync();
  };
  console.log("bare append and fdatasync      ", await timesOf(1000, append));
}

async function measureCommits(): Promise<void> {
  const store = openFileStore({ folder: join(root, "commits") });
  let { revision } = await store.open();
  const commit = async (first: number, count: number) => {
    const puts = Array.from({ length: count }, (_, index) => ingress(first + index));
    revision = await store.commit({ expected: revision, puts, deletes: [] });
  };
  console.log("commit of 1, new               ", await timesOf(1000, (round) => commit(round, 1)));
  console.log("commit of 1, replaced          ", await timesOf(1000, (round) => commit(round, 1)));
  console.log(
    "commit of 32, new              ",
    await timesOf(100, (round) => commit(10_000 + round * 32, 32)),
  );
  console.log(
    "commit of 32, replaced         ",
    await timesOf(100, (round) => commit(10_000 + round * 32, 32)),
  );
  console.log("checkpoint of what is left     ", await timesOf(1, () => store.checkpoint()));
  console.log("commit of 10,000 in one batch  ", await timesOf(1, () => commit(100_000, 10_000)));
  console.log("its checkpoint                 ", await timesOf(1, () => store.checkpoint()));
  await store.close();
}

async function measureOpening(): Promise<void> {
  const folder = join(root, "opening");
  mkdirSync(folder, { mode: 0o700 });
  for (let index = 0; index < 100_000; index += 1) {
    const document = ingress(index);
    writeFileSync(join(folder, `${document.id}.json`), JSON.stringify(document, null, 2), { mode: 0o600 });
  }
  const readBare = () => {
    const start = performance.now();
    const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const documents = names.map((name): unknown => JSON.parse(readFileSync(join(folder, name), "utf8")));
    console.log(`reading and parsing ${documents.length}, bare ${(performance.now() - start).toFixed(0)} ms`);
  };
  const openAndClose = async () => {
    const store = openFileStore({ folder });
    const start = performance.now();
    await store.open();
    console.log(`opening 100,000 documents         ${(performance.now() - start).toFixed(0)} ms`);
    await store.close();
  };
  for (let round = 0; round < 3; round += 1) {
    readBare();
    await openAndClose();
  }
}

try {
  await measureBare();
  await measureCommits();
  await measureOpening();
} finally {
  rmSync(root, { recursive: true });
}
