import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import type { ImportResult } from "../../src/model/api.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { use } from "../support/use.ts";

const passphrase = "correct horse battery staple";
const OCTETS = "application/octet-stream";

const rule = (hostname: string) => ({ match: { hostname }, target: { instance: "web-1", port: 80 } });

/** Everything that an archive has, as the API tells it, and the hashes of tokens. */
async function everything(api: TestApi): Promise<unknown> {
  const parts = ["/ingresses", "/instances", "/instances/web-1/traffic", "/certificates", "/tokens"];
  const answers = await Promise.all(parts.map((path) => api.call({ path })));
  return [...answers.map(({ text }) => text), [...api.tokens.stored()], [...api.imported.stored()]];
}

/** One API with something of each kind. */
async function filled(): Promise<TestApi> {
  const api = await startApi();
  const { call } = api;
  await call({
    method: "PUT",
    path: "/instances/web-1",
    json: { network: { ip: "10.0.0.5" }, tags: { a: "b" } },
  });
  await call({
    method: "PUT",
    path: "/instances/web-2",
    json: { network: { ip: "10.0.0.6" }, service: "web" },
  });
  const pair = await (await createTestAuthority()).issue({ names: ["secure.test"] });
  const certificate = { name: "own", certificate_pem: pair.certificate, key_pem: pair.key };
  expect((await call({ method: "POST", path: "/certificates", json: certificate })).status).toBe(201);
  for (const name of ["a", "b"])
    expect(
      (await call({ method: "POST", path: "/ingresses", json: { name, rules: [rule(`${name}.test`)] } }))
        .status,
    ).toBe(201);
  await call({ method: "PATCH", path: "/ingresses/a", json: { tags: { changed: "yes" } } });
  const limits = { hostnames: ["*.team.test"] };
  const made = await call({
    method: "POST",
    path: "/tokens",
    json: { name: "team", scopes: ["ingress:write", "ingress:read"], limits },
  });
  const own = { name: "owned", rules: [rule("x.team.test")] };
  const headers = { Authorization: `Bearer ${made.json<{ token: string }>().token}` };
  expect((await call({ method: "POST", path: "/ingresses", json: own, headers })).status).toBe(201);
  return api;
}

const from = use(filled);

/** Bytes of an archive, as they come. */
async function exported(api: TestApi, body: object): Promise<Buffer> {
  const answer = await fetch(`${api.url}/export`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

function imported(api: TestApi, archive: Buffer, options?: object, type = OCTETS) {
  const line = options === undefined ? "" : `${JSON.stringify(options)}\n`;
  const raw = Buffer.concat([Buffer.from(line), archive]);
  return api.call({ method: "POST", path: "/import", raw, headers: { "Content-Type": type } });
}

/** The archive with other lines between its first and its last, and an end that fits them. */
function rewritten(
  archive: Buffer,
  change: (lines: string[]) => readonly string[],
  counts: object = {},
): Buffer {
  const lines = archive.toString().trimEnd().split("\n");
  const end = JSON.parse(lines.pop() ?? "") as { end: object };
  const kept = change(lines)
    .map((line) => `${line}\n`)
    .join("");
  const sha256 = createHash("sha256").update(kept).digest("hex");
  return Buffer.from(`${kept}${JSON.stringify({ end: { ...end.end, ...counts }, sha256 })}\n`);
}

describe("an archive", () => {
  it("brings everything into an empty Gatewright as it was", async () => {
    await using to = await startApi();
    const archive = await exported(from, { passphrase });
    const answer = await imported(to, archive, { passphrase });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json<ImportResult>()).toEqual({
      exported_at: expect.any(String),
      ingresses: 3,
      instances: 2,
      drained_or_paused: 0,
      certificates: 1,
      tokens: 1,
      set_aside: [],
      settings_not_given: ["JWT_SECRET"],
    });
    expect(await everything(to)).toEqual(await everything(from));
    expect(to.events.map(({ type }) => type)).toContain("archive.imported");
    expect(from.events.map(({ type }) => type)).toContain("archive.exported");
    const again = await to.call({
      method: "POST",
      path: "/ingresses",
      json: { name: "a", rules: [rule("c.test")] },
    });
    expect(again.json()["code"]).toBe("already_exists");
  });

  it("is encrypted whole, and the passphrase is told nowhere", async () => {
    const archive = await exported(from, { passphrase });
    expect(archive.toString("latin1")).toMatch(/^age-encryption\.org\/v1\n-> scrypt /);
    for (const word of ["a.test", "PRIVATE KEY", "web-1"]) expect(archive.includes(word)).toBe(false);
    expect(JSON.stringify([from.events, from.logger.entries])).not.toContain(passphrase);
  });

  it("without a passphrase is for a Gatewright without imported certificates", async () => {
    const refused = await from.call({ method: "POST", path: "/export", json: {} });
    expect(refused.json()).toMatchObject({
      code: "bad_request",
      details: [{ code: "required", field: "passphrase" }],
    });
    const short = await from.call({ method: "POST", path: "/export", json: { passphrase: "hunter" } });
    expect([short.status, short.text]).toEqual([400, expect.not.stringContaining("hunter")]);
  });
});

describe("what is imported by nobody", () => {
  const plain = use(async () => {
    await using api = await startApi();
    await api.call({ method: "PUT", path: "/instances/web-1", json: { network: { ip: "10.0.0.5" } } });
    for (const name of ["a", "b"])
      await api.call({ method: "POST", path: "/ingresses", json: { name, rules: [rule(`${name}.test`)] } });
    return { archive: await exported(api, {}) };
  });
  const empty = use(() => startApi());
  let nothing: unknown;
  beforeAll(async () => {
    nothing = await everything(empty);
  });

  async function refused(archive: Buffer, options?: object) {
    const answer = await imported(empty, archive, options);
    expect(await everything(empty), "nothing was changed").toEqual(nothing);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    return answer.json<{ code: string; message: string }>();
  }
  const invalid = (message: RegExp) => ({ code: "archive_invalid", message: expect.stringMatching(message) });

  it("an archive that was cut off, anywhere", async () => {
    const { archive } = plain;
    const ends = [...archive.entries()].flatMap(([at, byte]) => (byte === 0x0a ? [at, at + 1] : []));
    for (const at of [0, 1, 30, ...ends.slice(0, -2), archive.length - 20])
      expect(await refused(archive.subarray(0, at))).toMatchObject({ code: "archive_invalid" });
    expect(await refused(archive.subarray(0, ends.at(-3)))).toMatchObject(
      invalid(/cut off; export it again$/),
    );
  });

  it("an archive that was changed", async () => {
    const changed = Buffer.from(plain.archive.toString().replace("a.test", "z.test"));
    expect(await refused(changed)).toMatchObject(invalid(/checksum is another one/));
    const more = Buffer.concat([plain.archive, Buffer.from("{}\n")]);
    expect(await refused(more)).toMatchObject(invalid(/something follows its end/));
    const fewer = rewritten(plain.archive, (lines) => lines.slice(0, -1));
    expect(await refused(fewer)).toMatchObject(invalid(/it has 1 ingress and should have 2/));
    const twice = rewritten(plain.archive, (lines) => [...lines, lines.at(-1) ?? ""]);
    expect(await refused(twice)).toMatchObject(invalid(/is there twice/));
  });

  it("an archive of another form, and what is none", async () => {
    const newer = rewritten(plain.archive, ([head = "", ...rest]) => [
      head.replace('"gatewright_archive":1', '"gatewright_archive":2').replace('"1.2.3"', '"9.0.0"'),
      ...rest,
    ]);
    expect(await refused(newer)).toMatchObject(
      invalid(/format 2 and was written by Gatewright 9\.0\.0.* reads format 1/),
    );
    const strange = rewritten(plain.archive, (lines) => [...lines, '{"volume":{"id":"x"}}']);
    expect(await refused(strange)).toMatchObject(invalid(/line 5 has none of: certificate, token/));
    for (const text of ["hello", "{}\n", "[1]\n", "\u0000\u0001", "null\n"])
      expect(await refused(Buffer.from(text))).toMatchObject({ code: "archive_invalid" });
    const id = rewritten(plain.archive, (lines) => [...lines, '{"token":{"id":"../../evil"}}'], { token: 1 });
    expect(await refused(id)).toMatchObject(invalid(/line 5: the token has no id/));
    const half = rewritten(plain.archive, (lines) => [...lines, '{"token":{"id":"x","name":"n"}}'], {
      token: 1,
    });
    expect(await refused(half)).toMatchObject(invalid(/line 5: token x: subject is missing/));
    const stored = {
      id: "x",
      name: "n",
      subject: "s",
      scopes: ["ingress:read"],
      created_by: "root",
      created_at: "2026-01-01T00:00:00.000Z",
      secret_sha256: "0".repeat(64),
    };
    for (const [wrong, said] of [
      [{ scopes: ["ingress:raed"] }, /scopes\[0\]: .*"ingress:read"/],
      [{ scopes: [] }, /scopes: /],
      [{ limits: { hostname: ["*.a.test"] } }, /limits\.hostname: .*"hostnames"/],
      [{ limits: { hostnames: "*.a.test" } }, /limits\.hostnames: /],
      [{ limits: { hostnames: ["a b"] } }, /limits\.hostnames\[0\]: /],
      [{ limits: {}, subject: "anonymous" }, /subject: nobody by this subject/],
    ] as const) {
      const line = JSON.stringify({ token: { ...stored, ...wrong } });
      const changed = rewritten(plain.archive, (lines) => [...lines, line], { token: 1 });
      expect(await refused(changed)).toMatchObject(invalid(new RegExp(`line 5: token x: ${said.source}`)));
    }
  });

  it("ingresses that are against each other: every conflict is told", async () => {
    const clash = rewritten(plain.archive, (lines) =>
      lines.map((line) => line.replace('"b.test"', '"a.test"')),
    );
    const answer = await refused(clash);
    expect(answer).toMatchObject({
      code: "hostname_in_use",
      details: [{ field: expect.stringMatching(/^ingress [ab]\.rules\[0\]\.match\.hostname$/) }],
    });
    // Instances that were stored before are gone again.
    expect(empty.registry.list()).toEqual([]);
  });

  it("a refusal of the disk, with everything taken back", async () => {
    empty.failNextChange(new Error("the disk is full"));
    expect(await refused(plain.archive)).toMatchObject({ code: "internal_error" });
    expect(empty.registry.list()).toEqual([]);
  });

  it("another type, another passphrase, or a passphrase that costs too much", async () => {
    const other = await imported(empty, plain.archive, undefined, "text/plain");
    expect(other.json()["code"]).toBe("Bad Request");
    const encrypted = await exported(from, { passphrase });
    expect(await refused(encrypted)).toMatchObject(invalid(/it is encrypted: give its passphrase/));
    expect(await refused(encrypted, { passphrase: "wrong horse" })).toMatchObject(
      invalid(/the passphrase is wrong/),
    );
    const cut = encrypted.subarray(0, encrypted.length - 5);
    expect(await refused(cut, { passphrase })).toMatchObject(invalid(/damaged, changed or cut off/));
    const bomb = Buffer.from(encrypted.toString("latin1").replace(/(scrypt \S+) 18/, "$1 30"), "latin1");
    expect(await refused(bomb, { passphrase })).toMatchObject(
      invalid(/work factor of 30 to check, and 18 is the most/),
    );
    const key = Buffer.from("age-encryption.org/v1\n-> X25519 abc\nabc\n--- abc\n");
    expect(await refused(key, { passphrase })).toMatchObject(invalid(/for the owner of a key/));
    expect(await refused(encrypted, { pasphrase: "x" })).toMatchObject({ code: "Bad Request" });
    expect(JSON.stringify([empty.events, empty.logger.entries])).not.toContain("wrong horse");
  });

  it("anything, where something is in the way", async () => {
    await using full = await startApi();
    await full.call({ method: "PUT", path: "/instances/web-9", json: { network: { ip: "10.0.0.9" } } });
    const before = await everything(full);
    const answer = await imported(full, plain.archive);
    expect([answer.status, answer.json()]).toMatchObject([
      409,
      { code: "not_empty", message: expect.stringContaining("1 instance;") },
    ]);
    expect(await everything(full)).toEqual(before);
  });

  it("instances, where they come from elsewhere", async () => {
    await using elsewhere = await startApi({ readOnlyInstances: true });
    const answer = await imported(elsewhere, plain.archive);
    expect(answer.json()).toMatchObject({
      code: "source_read_only",
      message: expect.stringContaining("1 instance,"),
    });
  });
});

it("changes wait for nobody: while an archive is imported they are told to come again", async () => {
  await using to = await startApi();
  const archive = await exported(from, { passphrase });
  const entered = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  to.world.store.beforeCommit = () => {
    to.world.store.beforeCommit = () => Promise.resolve();
    entered.resolve();
    return go.promise;
  };
  const importing = imported(to, archive, { passphrase });
  await entered.promise;
  const change = await to.call({
    method: "PUT",
    path: "/instances/web-9",
    json: { network: { ip: "10.0.0.9" } },
  });
  expect([change.status, change.headers["retry-after"], change.json()["code"]]).toEqual([
    503,
    "1",
    "import_under_way",
  ]);
  const half = await to.call({ method: "POST", path: "/export", json: { passphrase } });
  expect(half.json()["code"]).toBe("import_under_way");
  go.resolve();
  expect((await importing).status).toBe(200);
  expect((await to.call({ method: "DELETE", path: "/ingresses/b" })).status).toBe(204);
});

it("both are for who may do everything", async () => {
  const secret = "secret-of-archives-0123456789abcdef";
  const { signToken } = await import("../support/sign-token.ts");
  await using api = await startApi({ secret });
  for (const path of ["/export", "/import"]) {
    const headers = {
      Authorization: `Bearer ${signToken(secret, { permissions: ["admin:write", "admin:read"] })}`,
    };
    const answer = await api.call({
      method: "POST",
      path,
      headers: { ...headers, "Content-Type": OCTETS },
      json: {},
    });
    expect(answer.json()).toEqual({ code: "Forbidden", message: "missing required scope: ingress:read" });
  }
});
