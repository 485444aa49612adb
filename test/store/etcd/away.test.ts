import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { type Etcd, type EtcdOptions, startEtcd } from "../../support/etcd.ts";
import { etcdStore, type TestStoreOptions } from "../../support/etcd-store.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { type Note, note } from "../document-store.contract.ts";

const cleanups: (() => Promise<unknown>)[] = [];
let folder: string;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  cleanups.push(() => temporary[Symbol.asyncDispose]());
  folder = temporary.path;
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function started(options: EtcdOptions = {}): Promise<Etcd> {
  const etcd = await startEtcd(options);
  cleanups.push(async () => etcd[Symbol.asyncDispose]());
  return etcd;
}

async function opened(etcd: Etcd, name: string, options: Partial<TestStoreOptions<Note>> = {}) {
  const { user } = etcd;
  const store = etcdStore<Note>({
    endpoints: etcd.endpoints,
    folder: join(folder, name),
    timeoutMs: 500,
    patienceMs: 1500,
    ...(user === undefined ? {} : { user }),
    ...options,
  });
  cleanups.push(store.end);
  const snapshot = await store.open();
  return { store, snapshot };
}

type Store = Awaited<ReturnType<typeof opened>>["store"];

const put = (expected: number, ...puts: Note[]) => ({ expected, puts, deletes: [] });

/** Commits on top of whatever others have committed. */
async function committed(store: Store, revision: number, document: Note): Promise<number> {
  let expected = revision;
  for (;;) {
    expected = store.others.take().at(-1)?.revision ?? expected;
    const refused = await store.commit(put(expected, document)).catch((error: unknown) => error);
    if (typeof refused === "number") return refused;
    expect(refused).toMatchObject({ code: "store_conflict" });
  }
}

describe("while etcd is away", () => {
  it("a store refuses commits with the reason, and takes them again when it is back", async () => {
    const etcd = await started();
    const heard: (string | undefined)[] = [];
    const { store } = await opened(etcd, "a", { onConnection: (reason) => heard.push(reason) });
    await store.commit(put(0, note("x")));
    await etcd.members[0]?.kill();
    await until(() => store.absence !== undefined);
    await expect(store.commit(put(1, note("y")))).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringMatching(/cannot be reached: .*since \d{4}-.*nothing was changed/s),
    });
    expect(store.others.refusal()).toMatchObject({ code: "store_unavailable" });
    await etcd.members[0]?.start();
    await until(() => store.absence === undefined);
    expect(await store.commit(put(1, note("y")))).toBe(2);
    expect(heard.map((reason) => reason === undefined)).toEqual([false, true]);
  });

  it("a store that opens waits for a member that hangs to be passed over, and has what others have committed", async () => {
    const etcd = await started({ members: 3 });
    const a = await opened(etcd, "a");
    const b = await opened(etcd, "b");
    await a.store.commit(put(0, note("x")));
    await until(() => b.store.others.take().length === 1);
    await b.store.end();
    await a.store.commit(put(1, note("y")));
    // The first one is asked first.
    etcd.members[0]?.pause();
    const { snapshot, store } = await opened(etcd, "b", { patienceMs: 5000 });
    expect(snapshot.documents.map(({ id }) => id)).toEqual(["x", "y"]);
    expect(store.absence).toBeUndefined();
    etcd.members[0]?.resume();
  });

  it("a store opens from its copy, and catches up; without one it does not open", async () => {
    const etcd = await started();
    const a = await opened(etcd, "a");
    const b = await opened(etcd, "b");
    await a.store.commit(put(0, note("x")));
    await until(() => b.store.others.take().length > 0);
    await b.store.end();
    await a.store.commit(put(1, note("y")));
    await a.store.end();
    await etcd.members[0]?.kill();
    const again = await opened(etcd, "b");
    expect(again.snapshot).toEqual({ revision: 1, documents: [note("x")], unreadable: [] });
    await expect(opened(etcd, "c")).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("no local copy yet"),
    });
    await etcd.members[0]?.start();
    await until(() => again.store.absence === undefined);
    expect(again.store.others.take()).toMatchObject([{ revision: 2, puts: [note("y")], deletes: [] }]);
    expect(await again.store.commit(put(2, note("z")))).toBe(3);
  });

  it("a commit that gets no answer is there whole or not at all, and never twice", async () => {
    const etcd = await started();
    const { store } = await opened(etcd, "a");
    await store.commit(put(0, note("x")));
    etcd.members[0]?.pause();
    const lost = await store.commit(put(1, note("lost"), note("too"))).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: "store_outcome_unknown" });
    etcd.members[0]?.resume();
    await until(() => store.absence === undefined);
    await committed(store, 1, note("z"));
    const { snapshot } = await opened(etcd, "b");
    const ids = snapshot.documents.map(({ id }) => id);
    expect([
      ["x", "z"],
      ["lost", "too", "x", "z"],
    ]).toContainEqual(ids);
    expect(snapshot.revision).toBe(ids.length === 2 ? 2 : 3);
  });
});

describe("an etcd that is not what it was", () => {
  it("takes nothing away when it comes back empty, and is not written to", async () => {
    const etcd = await started();
    const { store } = await opened(etcd, "a");
    await store.commit(put(0, note("x")));
    await etcd.members[0]?.kill();
    await etcd.members[0]?.wipe();
    await etcd.members[0]?.start();
    await until(() => store.absence?.reason.includes("nothing below ETCD_PREFIX") === true);
    expect(store.others.take()).toEqual([]);
    await expect(store.commit(put(1, note("y")))).rejects.toMatchObject({ code: "store_unavailable" });
    await store.end();
    const { snapshot } = await opened(etcd, "a");
    expect(snapshot).toMatchObject({ revision: 1, documents: [note("x")] });
  });

  it("is followed where it was restored from a snapshot, whichever revision it then has", async () => {
    const etcd = await started();
    const [member] = etcd.members;
    if (member === undefined) throw new Error("no member");
    const { store } = await opened(etcd, "a");
    await store.commit(put(0, note("x")));
    const snapshot = join(folder, "snapshot");
    await member.kill();
    await cp(member.dataDir, snapshot, { recursive: true });
    await member.start();
    await until(() => store.absence === undefined);
    for (const [index, id] of ["y", "z"].entries()) await committed(store, index + 1, note(id));
    await member.kill();
    await rm(member.dataDir, { recursive: true });
    await cp(snapshot, member.dataDir, { recursive: true });
    await member.start();
    await until(() => store.others.take().some(({ deletes }) => deletes.length === 2));
    expect(await committed(store, 1, note("other"))).toBe(2);
    await store.end();
    const again = await opened(etcd, "a");
    expect(again.snapshot).toMatchObject({ revision: 2, documents: [note("other"), note("x")] });
  });
});

describe("a cluster of three", () => {
  it("takes commits while a member is dead, and while another one hangs", async () => {
    const etcd = await started({ members: 3 });
    const { store } = await opened(etcd, "a", { patienceMs: 10_000 });
    const other = await opened(etcd, "b");
    let revision = await store.commit(put(0, note("first")));
    for (const [index, member] of etcd.members.entries()) {
      if (index === 1) member.pause();
      else await member.kill();
      revision = await committed(store, revision, note(`with-${index}-away`));
      await until(() => other.store.others.take().some((commit) => commit.revision >= revision));
      if (index === 1) member.resume();
      else await member.start();
    }
    expect((await opened(etcd, "c")).snapshot.documents).toHaveLength(4);
  }, 60_000);

  it("is asked over TLS, with a client certificate, a name and a password", async () => {
    const authority = await createTestAuthority();
    const etcd = await started({ members: 3, authority, auth: true });
    const { ca, cert, key } = etcd.files ?? { ca: "", cert: "", key: "" };
    const tls = {
      ca: await readFile(ca, "utf8"),
      cert: await readFile(cert, "utf8"),
      key: await readFile(key, "utf8"),
    };
    const { store } = await opened(etcd, "a", { tls });
    const other = await opened(etcd, "b", { tls });
    expect(await store.commit(put(0, note("x")))).toBe(1);
    await until(() => other.store.others.take().length === 1);
    const wrong = { name: "gatewright", password: "wrong-password" };
    await expect(opened(etcd, "c", { tls, user: wrong })).rejects.toMatchObject({
      code: "store_unavailable",
      message: expect.not.stringContaining("wrong-password"),
    });
    await expect(opened(etcd, "c")).rejects.toMatchObject({ code: "store_unavailable" });
  }, 60_000);
});
