import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFileStore } from "../../src/store/file-store.ts";
import { readStoredToken, type StoredToken } from "../../src/tokens/stored-token.ts";
import { Tokens } from "../../src/tokens/tokens.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const everything = { permissions: undefined };
const logger = recordingLogger();

it("is there after a restart, as a hash, with its last use", async () => {
  await using folder = await temporaryFolder();
  const start = async (): Promise<Tokens> => {
    const store = openFileStore({ folder: folder.path, validate: readStoredToken });
    const tokens = new Tokens({ store, logger });
    await tokens.open();
    return tokens;
  };
  const first = await start();
  const { id, token = "" } = await first.create({ name: "ci", scopes: ["*"] }, everything);
  const other = await first.create({ name: "other", scopes: ["*"] }, everything);
  expect(first.verify(token)?.id).toBe(id);
  await first.close();
  const file = join(folder.path, `${id}.json`);
  const text = await readFile(file, "utf8");
  expect(text).not.toContain(token.slice(-43));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const broken = join(folder.path, `${other.id}.json`);
  const stored = JSON.parse(await readFile(broken, "utf8")) as object;
  await writeFile(broken, JSON.stringify({ ...stored, expires_at: "someday" }));
  const second = await start();
  expect(second.find("ci")?.last_used_at).toMatch(/Z$/);
  expect(second.verify(token)).toMatchObject({ id, scopes: ["*"] });
  expect(second.verify(other.token ?? "")).toBeUndefined();
  await second.close();
});

it("writes uses once for many of them, and goes on when the disk does not take them", async () => {
  const store = new MemoryStore<StoredToken>();
  const tokens = new Tokens({ store, logger, usesEveryMs: 50 });
  await tokens.open();
  const { token = "" } = await tokens.create({ name: "ci", scopes: ["*"] }, everything);
  let refusals = 0;
  store.beforeCommit = () => Promise.reject(new Error(`full ${++refusals}`));
  tokens.verify(token);
  await until(() => refusals === 1);
  store.beforeCommit = () => Promise.resolve();
  const written = store.commits.length;
  for (let use = 0; use < 1_000; use++) expect(tokens.verify(token)?.name).toBe("ci");
  expect(store.commits.length).toBe(written);
  await until(() => store.commits.length === written + 1);
  await tokens.close();
  expect(store.commits.length).toBe(written + 1);
});

it("lists what has ended for another 30 days, and gives its name again then", async () => {
  const day = 24 * 60 * 60 * 1000;
  let nowMs = Date.now();
  const tokens = new Tokens({ store: new MemoryStore<StoredToken>(), logger, nowMs: () => nowMs });
  await tokens.open();
  const short = { name: "short", scopes: ["*"], expires_in: "1h" } as const;
  const { token = "" } = await tokens.create(short, everything);
  nowMs += 60 * 60 * 1000 - 1;
  expect(tokens.verify(token)?.name).toBe("short");
  nowMs += 1;
  expect(tokens.verify(token)).toBeUndefined();
  nowMs += 29 * day;
  expect(tokens.list().map(({ name }) => name)).toEqual(["short"]);
  await expect(tokens.create(short, everything)).rejects.toMatchObject({ code: "already_exists" });
  nowMs += 2 * day;
  await tokens.create(short, everything);
  expect(tokens.list().length).toBe(1);
  await tokens.close();
});
