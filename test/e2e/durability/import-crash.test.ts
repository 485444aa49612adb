import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ImportStep } from "../../../src/archive/import-step.ts";
import type { WriterStep } from "../../../src/manager/apply-step.ts";
import type { Ingress } from "../../../src/model/api.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { crashMain } from "../../support/gatewright.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";
import { writerSteps } from "../../support/writer-steps.ts";

const passphrase = "correct horse battery staple";
const backend = use(() => startBackend());
const gatewright = useGatewright();

const collections = ["/ingresses", "/certificates", "/tokens", "/instances"];

/** Everything that an archive has, as the API tells it. */
async function everything(): Promise<readonly string[]> {
  const all = await Promise.all(collections.map((path) => call(`${gatewright.url}${path}`)));
  const mode = await call(`${gatewright.url}/instances/web-2/traffic`);
  return [...all.map(({ text }) => text), mode.text];
}

async function empty(): Promise<void> {
  await call(`${gatewright.url}/instances/web-2/traffic`, { method: "PUT", body: { mode: "active" } });
  for (const path of collections)
    for (const { id } of (await call<Ingress[]>(`${gatewright.url}${path}`)).body)
      expect((await call(`${gatewright.url}${path}/${id}`, { method: "DELETE" })).status).toBe(204);
  await until(async () => (await gatewright.reach("shop.test")) === "ECONNREFUSED");
}

/** An archive with something of each kind, and what the API says of it. */
const archive = use(async () => {
  await gatewright.put("web-1", "127.0.0.1");
  await gatewright.put("web-2", "127.0.0.2");
  await call(`${gatewright.url}/instances/web-2/traffic`, { method: "PUT", body: { mode: "drain" } });
  const pair = await (await createTestAuthority()).issue({ names: ["secure.test"] });
  const body = { name: "own", certificate_pem: pair.certificate, key_pem: pair.key };
  expect((await call(`${gatewright.url}/certificates`, { body })).status).toBe(201);
  const token = await call(`${gatewright.url}/tokens`, { body: { name: "ci", scopes: ["ingress:read"] } });
  expect(token.status).toBe(201);
  await gatewright.make("shop", rule("shop.test", "web-1", backend.port));
  const port = await freePort();
  await gatewright.make("other", rule("other.test", "web-1", backend.port, { port }));
  const all = await everything();
  const answer = await fetch(`${gatewright.url}/export`, {
    method: "POST",
    body: JSON.stringify({ passphrase }),
    headers: { "Content-Type": "application/json" },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  await empty();
  return { bytes, all, nothing: await everything(), port };
});

const importIt = () =>
  fetch(`${gatewright.url}/import`, {
    method: "POST",
    body: Buffer.concat([Buffer.from(`${JSON.stringify({ passphrase })}\n`), archive.bytes]),
    headers: { "Content-Type": "application/octet-stream" },
  });

beforeAll(async () => {
  await gatewright.stop();
  await gatewright.start({ script: crashMain });
});

/** Imports with a manager that dies at the step, and starts the next one, which dies at none until it is told to. */
async function crashAt(step: ImportStep | WriterStep): Promise<void> {
  await writeFile(join(gatewright.dataDir, "crash-at"), step);
  await expect(importIt(), "the manager must die before it answers").rejects.toThrow();
  await gatewright.ended();
  await rm(join(gatewright.dataDir, "crash-at"));
  await gatewright.start({ script: crashMain });
}

const leftovers = async () => (await readdir(gatewright.dataDir)).filter((name) => name.includes("import"));

const steps: readonly (ImportStep | WriterStep)[] = [
  "import-receive",
  "import-begin",
  "import-certificate",
  "import-token",
  "import-instance",
  "import-traffic",
  ...writerSteps,
  "import-ingress",
  "import-end",
];

describe.each(steps)("a manager killed at the step %s of an import", (step) => {
  const isMade = step !== "import-receive";

  it(`has ${isMade ? "all of it" : "nothing"} when it is started again`, async () => {
    await crashAt(step);
    expect(await everything()).toEqual(isMade ? archive.all : archive.nothing);
    expect(await gatewright.reach("shop.test")).toBe(isMade ? 200 : "ECONNREFUSED");
    expect(await gatewright.reach("other.test", archive.port)).toBe(isMade ? 200 : "ECONNREFUSED");
    expect(await leftovers()).toEqual([]);
    if (!isMade) expect((await importIt()).status).toBe(200);
    expect(await everything()).toEqual(archive.all);
    await empty();
  });
});

const undoing: readonly ImportStep[] = [
  "import-undo",
  "import-remove-traffic",
  "import-remove-instance",
  "import-remove-token",
  "import-remove-certificate",
  "import-undone",
];

describe.each(undoing)("a manager killed at the step %s of an import that is taken back", (step) => {
  it("has nothing of it when it is started again", async () => {
    // Somebody else has a port of the archive: Caddy cannot take the ingresses.
    await using other = await startBackend("other", "127.0.0.1", archive.port);
    expect(other.port).toBe(archive.port);
    await crashAt(step);
    expect(await everything()).toEqual(archive.nothing);
    expect(await leftovers()).toEqual([]);
  });
});

it("an import that Caddy cannot take is told why, and leaves nothing", async () => {
  await using other = await startBackend("other", "127.0.0.1", archive.port);
  expect(other.port).toBe(archive.port);
  const refused = await importIt();
  expect([refused.status, await refused.json()]).toMatchObject([409, { code: "port_in_use" }]);
  expect(await everything()).toEqual(archive.nothing);
  expect(await leftovers()).toEqual([]);
});
