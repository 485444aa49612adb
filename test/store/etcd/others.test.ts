import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BatchRecord } from "../../../src/store/history/revision.ts";
import { type Etcd, startEtcd } from "../../support/etcd.ts";
import { etcdSet, etcdStore, storeKey, type TestStoreOptions } from "../../support/etcd-store.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { type Note, note } from "../document-store.contract.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd[Symbol.asyncDispose]());

const cleanups: (() => Promise<unknown>)[] = [];
let folder: string;
let prefix: string;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  cleanups.push(() => temporary[Symbol.asyncDispose]());
  folder = temporary.path;
  prefix = `/others/${randomUUID()}/`;
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function opened(name: string, options: Partial<TestStoreOptions<Note>> = {}) {
  const store = etcdStore<Note>({
    endpoints: etcd.endpoints,
    folder: join(folder, name),
    prefix,
    ...options,
  });
  cleanups.push(store.end);
  const snapshot = await store.open();
  return { store, snapshot };
}

type Store = Awaited<ReturnType<typeof opened>>["store"];

const put = (expected: number, ...puts: Note[]) => ({ expected, puts, deletes: [] });

async function taken(store: Store, count = 1) {
  const commits: ReturnType<Store["others"]["take"]>[number][] = [];
  await until(() => {
    commits.push(...store.others.take());
    return commits.length >= count;
  });
  return commits;
}

async function revisionsOf(store: Store) {
  const found: number[] = [];
  for await (const { revision } of store.revisions.newestFirst()) found.push(revision);
  return found;
}

const byAnn = (after: Note): BatchRecord<Note> => ({
  at: new Date(0).toISOString(),
  authors: [{ actor: { subject: "ann", via: "api" } }],
  changes: [{ author: 0, after }],
});

describe("two stores on one etcd", () => {
  it("hear of each other's commits in order, with whose they were, and of their own not again", async () => {
    const a = await opened("a");
    const b = await opened("b");
    await a.store.commit({ ...put(0, note("x")), record: byAnn(note("x")) });
    await a.store.commit({ expected: 1, puts: [note("y")], deletes: ["x"] });
    expect(await taken(b.store, 2)).toEqual([
      {
        revision: 1,
        puts: [note("x")],
        deletes: [],
        unreadable: [],
        record: byAnn(note("x")),
      },
      { revision: 2, puts: [note("y")], deletes: ["x"], unreadable: [] },
    ]);
    await b.store.commit(put(2, note("z")));
    expect((await taken(a.store)).map(({ revision }) => revision)).toEqual([3]);
    expect(b.store.others.take()).toEqual([]);
  });

  it("let one of two win that expect the same, and the other has its commit at hand at once", async () => {
    const a = await opened("a");
    const b = await opened("b");
    const results = await Promise.allSettled([
      a.store.commit(put(0, note("a"))),
      b.store.commit(put(0, note("b"))),
    ]);
    const [winner, loser] = results[0].status === "fulfilled" ? [a, b] : [b, a];
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(results.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "store_conflict" },
    });
    expect(loser.store.others.take().map(({ revision }) => revision)).toEqual([1]);
    expect(await loser.store.commit(put(1, note("c")))).toBe(2);
    expect((await taken(winner.store)).map(({ puts }) => puts)).toEqual([[note("c")]]);
  });

  it("lose nothing of many commits at once, and number them without gaps", async () => {
    const stores = await Promise.all(["a", "b", "c"].map((name) => opened(name)));
    await Promise.all(
      stores.map(async ({ store }, index) => {
        let revision = 0;
        for (let count = 0; count < 20; ) {
          revision = store.others.take().at(-1)?.revision ?? revision;
          try {
            revision = await store.commit(put(revision, note(`${index}-${count}`)));
            count += 1;
          } catch (error) {
            expect(error).toMatchObject({ code: "store_conflict" });
          }
        }
      }),
    );
    const { snapshot } = await opened("d");
    expect(snapshot.revision).toBe(60);
    expect(snapshot.documents).toHaveLength(60);
  });

  it("have the same history, as far back as each was there", async () => {
    const a = await opened("a");
    await a.store.commit({ ...put(0, note("x")), record: byAnn(note("x")) });
    const b = await opened("b");
    await b.store.commit({ ...put(1, note("y")), record: byAnn(note("y")) });
    await taken(a.store);
    await until(async () => (await revisionsOf(a.store)).length === 2);
    expect(await revisionsOf(a.store)).toEqual([2, 1]);
    expect(await revisionsOf(b.store)).toEqual([2, 1]);
  });
});

describe("a commit with more than a transaction takes", () => {
  const many = Array.from({ length: 700 }, (_, index) =>
    note(`n-${String(index).padStart(3, "0")}`, "x".repeat(4000)),
  );

  it("comes whole to the others, and the next commit rests on it", async () => {
    const a = await opened("a");
    const b = await opened("b");
    await a.store.commit(put(0, ...many));
    const [commit] = await taken(b.store);
    expect(commit?.puts).toEqual(many);
    await b.store.commit({ expected: 1, puts: [note("n-000")], deletes: ["n-001"] });
    const { snapshot } = await opened("c");
    expect(snapshot.documents).toEqual([note("n-000"), ...many.slice(2)]);
  });

  it("is finished by whoever comes next when the one that made it has died half-way", async () => {
    const { client, set } = etcdSet({ endpoints: etcd.endpoints, prefix });
    cleanups.push(() => client.close());
    const first = await set.whole();
    const prepared = await set.prepare({ puts: many, deletes: [] }, first.head);
    // Its documents are not in their places yet: only its parts and its log are there.
    expect((await prepared.attempt()).kind).toBe("committed");
    expect((await client.range({ key: `${prefix}sets/notes/pending` })).items).toHaveLength(1);
    const b = await opened("b");
    expect(b.snapshot.documents).toEqual(many);
    expect((await client.range({ key: `${prefix}sets/notes/pending` })).items).toEqual([]);
  });

  it("is done once, however often it is tried", async () => {
    const { client, set } = etcdSet({ endpoints: etcd.endpoints, prefix });
    cleanups.push(() => client.close());
    const { head } = await set.whole();
    for (const puts of [many, [note("small")]]) {
      const after = puts === many ? head : (await set.whole()).head;
      const prepared = await set.prepare({ puts, deletes: [] }, after);
      const first = await prepared.attempt();
      expect(await prepared.attempt()).toEqual(first);
      const next = await set.prepare({ puts: [note("other")], deletes: [] }, (await set.whole()).head);
      await next.attempt();
      // Its answer was lost, and somebody has committed since.
      expect(await prepared.attempt()).toEqual(first);
    }
  });

  it("is refused where one document is larger than etcd takes", async () => {
    const { store } = await opened("a");
    const large = store.commit(put(0, note("large", "x".repeat(2_000_000))));
    await expect(large).rejects.toMatchObject({ code: "payload_too_large" });
    expect(await store.commit(put(0, note("small")))).toBe(1);
  });
});

describe("what a store has missed", () => {
  it("it reads from the log, or all of it where the log does not reach back; what is equal is not told", async () => {
    const options = { logBytes: 4000 };
    const a = await opened("a", options);
    await a.store.commit(put(0, note("kept"), note("gone")));
    const b = await opened("b", options);
    await b.store.end();
    await a.store.commit({ expected: 1, puts: [], deletes: ["gone"] });
    const again = await opened("b", options);
    expect(again.snapshot).toEqual({ revision: 2, documents: [note("kept")], unreadable: [] });
    await again.store.end();
    for (let revision = 2; revision < 60; revision += 1)
      await a.store.commit(put(revision, note("busy", `${revision} ${"x".repeat(200)}`)));
    const { client } = etcdSet({ endpoints: etcd.endpoints, prefix });
    cleanups.push(() => client.close());
    const logs = await client.range({ key: `${prefix}sets/notes/log/`, end: `${prefix}sets/notes/log0` });
    expect(logs.items.length).toBeLessThan(30);
    const later = await opened("b", options);
    expect(later.snapshot).toMatchObject({ revision: 60 });
    expect(later.snapshot.documents.map(({ id }) => id)).toEqual(["busy", "kept"]);
    await later.store.commit(put(60, note("new")));
    expect((await taken(a.store)).map(({ revision, puts }) => ({ revision, puts }))).toEqual([
      { revision: 61, puts: [note("new")] },
    ]);
  });

  it("it reads after a compaction too", async () => {
    const a = await opened("a");
    const b = await opened("b");
    await b.store.end();
    await a.store.commit(put(0, note("x")));
    const { header } = await etcd.call("/v3/kv/range", { key: Buffer.from("x").toString("base64") });
    await etcd.call("/v3/kv/compaction", { revision: header.revision });
    expect((await opened("b")).snapshot.documents).toEqual([note("x")]);
  });
});

describe("what cannot be read", () => {
  it("is told as such where it is not understood, kept as it is, and copied", async () => {
    const validate = (value: unknown): Note => {
      const read = value as Note;
      if (read.text.startsWith("newer")) throw new Error("the text is of a newer version");
      return read;
    };
    const a = await opened("a");
    const b = await opened("b", { validate });
    await a.store.commit(put(0, note("x", "newer words"), note("y")));
    const [commit] = await taken(b.store);
    expect(commit).toMatchObject({ puts: [note("y")], unreadable: [{ id: "x", kind: "document" }] });
    expect(commit?.unreadable[0]?.reason).toContain("newer version");
    await b.store.commit(put(1, note("z")));
    await b.store.end();
    const again = await opened("b", { validate });
    expect(again.snapshot.unreadable.map(({ id }) => id)).toEqual(["x"]);
    expect((await opened("c")).snapshot.documents).toEqual([note("x", "newer words"), note("y"), note("z")]);
  });

  it("ends nothing and takes nothing where the key is another one", async () => {
    const a = await opened("a");
    await a.store.commit(put(0, note("x")));
    const other = Buffer.alloc(32, 9).toString("base64");
    await expect(opened("b", { keys: [other] })).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("STORE_KEY has no key"),
    });
    expect((await opened("b", { keys: [other, storeKey] })).snapshot.documents).toEqual([note("x")]);
  });

  it("stands in etcd encrypted", async () => {
    const a = await opened("a");
    await a.store.commit({
      ...put(0, note("x", "a private word")),
      record: byAnn(note("x", "a private word")),
    });
    const all = await etcd.call("/v3/kv/range", {
      key: Buffer.from(prefix).toString("base64"),
      range_end: Buffer.from(`${prefix.slice(0, -1)}0`).toString("base64"),
    });
    const values = all.kvs.map(({ value }: { value: string }) =>
      Buffer.from(value, "base64").toString("latin1"),
    );
    expect(values.length).toBeGreaterThan(2);
    expect(values.join()).not.toContain("private");
  });
});
