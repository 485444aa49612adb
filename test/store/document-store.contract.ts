import { afterEach, describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import type { Change, DocumentStore } from "../../src/store/document-store.ts";

/** The documents that the contract stores. */
export interface Note {
  readonly id: string;
  readonly text: string;
}

/** One medium, on which stores can be opened one after another. */
export interface Medium {
  /** A store over what earlier ones left; `open()` has not been called yet. */
  store(): DocumentStore<Note>;
  dispose(): Promise<void>;
}

/** What every DocumentStore must do. `makeMedium` gives an empty medium. */
export function documentStoreContract(name: string, makeMedium: () => Promise<Medium>): void {
  describe(`${name} as a DocumentStore`, () => {
    const cleanups: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function medium(): Promise<Medium> {
      const made = await makeMedium();
      cleanups.push(() => made.dispose());
      return made;
    }

    async function opened(on?: Medium) {
      const store = (on ?? (await medium())).store();
      const snapshot = await store.open();
      cleanups.push(() => store.close());
      return { store, snapshot };
    }

    it("is empty at revision 0 on an empty medium", async () => {
      const { snapshot } = await opened();
      expect(snapshot).toEqual({ revision: 0, documents: [], unreadable: [] });
    });

    it("returns the next revision from each commit", async () => {
      const { store } = await opened();
      expect(await store.commit({ expected: 0, puts: [note("a")], deletes: [] })).toBe(1);
      expect(await store.commit({ expected: 1, puts: [note("b")], deletes: [] })).toBe(2);
      expect(await store.commit({ expected: 2, puts: [], deletes: [] })).toBe(3);
    });

    it("shows puts, replacements and deletes after opening again, in the order of ids", async () => {
      const on = await medium();
      const { store } = await opened(on);
      await store.commit({ expected: 0, puts: [note("c"), note("a"), note("b")], deletes: [] });
      await store.commit({ expected: 1, puts: [note("c", "new")], deletes: ["a", "never-there"] });
      await store.close();
      const { snapshot } = await opened(on);
      expect(snapshot).toEqual({ revision: 2, documents: [note("b"), note("c", "new")], unreadable: [] });
    });

    it("goes on counting revisions after opening again", async () => {
      const on = await medium();
      for (let revision = 0; revision < 3; revision += 1) {
        const { store, snapshot } = await opened(on);
        expect(snapshot.revision).toBe(revision);
        await store.commit({ expected: revision, puts: [note("a", `${revision}`)], deletes: [] });
        await store.close();
      }
    });

    it.each([0, 2, -1])(
      "refuses a batch that expects revision %d at revision 1, and stores nothing of it",
      async (expected) => {
        const on = await medium();
        const { store } = await opened(on);
        await store.commit({ expected: 0, puts: [note("a")], deletes: [] });
        const refused = store.commit({ expected, puts: [note("b")], deletes: ["a"] });
        await expect(refused).rejects.toSatisfy((error) => isGatewrightError(error, "store_conflict"));
        await store.close();
        const { snapshot } = await opened(on);
        expect(snapshot).toEqual({ revision: 1, documents: [note("a")], unreadable: [] });
      },
    );

    it("lets exactly one of several commits at once win, and stores that one alone", async () => {
      const on = await medium();
      const { store } = await opened(on);
      const ids = ["a", "b", "c", "d", "e"];
      const results = await Promise.allSettled(
        ids.map((id) => store.commit({ expected: 0, puts: [note(id)], deletes: [] })),
      );
      expect(results.filter((result) => result.status === "fulfilled")).toEqual([
        { status: "fulfilled", value: 1 },
      ]);
      for (const result of results) {
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "store_conflict" });
      }
      await store.close();
      const winner = ids[results.findIndex((result) => result.status === "fulfilled")] ?? "";
      expect((await opened(on)).snapshot.documents).toEqual([note(winner)]);
    });

    it("takes commits without waiting between them when each expects the one before", async () => {
      const { store } = await opened();
      const revisions = await Promise.all(
        [0, 1, 2, 3].map((expected) => store.commit({ expected, puts: [note(`n${expected}`)], deletes: [] })),
      );
      expect(revisions).toEqual([1, 2, 3, 4]);
    });

    it("tells watchers of each commit in order, before its promise resolves, and of no refused one", async () => {
      const { store } = await opened();
      const seen: Change<Note>[] = [];
      store.watch((change) => seen.push(change));
      await store.commit({ expected: 0, puts: [note("a"), note("b")], deletes: [] });
      expect(seen).toHaveLength(1);
      await store.commit({ expected: 7, puts: [note("x")], deletes: [] }).catch(() => undefined);
      await Promise.all([
        store.commit({ expected: 1, puts: [note("c")], deletes: ["a"] }),
        store.commit({ expected: 2, puts: [], deletes: ["b"] }),
      ]);
      expect(seen).toEqual([
        { revision: 1, puts: [note("a"), note("b")], deletes: [] },
        { revision: 2, puts: [note("c")], deletes: ["a"] },
        { revision: 3, puts: [], deletes: ["b"] },
      ]);
    });

    it("tells a watcher nothing after it has left, and the others still", async () => {
      const { store } = await opened();
      const left: number[] = [];
      const stayed: number[] = [];
      const leave = store.watch(({ revision }) => left.push(revision));
      store.watch(({ revision }) => stayed.push(revision));
      await store.commit({ expected: 0, puts: [note("a")], deletes: [] });
      leave();
      await store.commit({ expected: 1, puts: [note("b")], deletes: [] });
      expect({ left, stayed }).toEqual({ left: [1], stayed: [1, 2] });
    });

    it("tells a function that watches twice twice, and once more after it has left once", async () => {
      const { store } = await opened();
      const seen: number[] = [];
      const listener = ({ revision }: Change<Note>): void => void seen.push(revision);
      const leave = store.watch(listener);
      store.watch(listener);
      await store.commit({ expected: 0, puts: [note("a")], deletes: [] });
      leave();
      leave();
      await store.commit({ expected: 1, puts: [note("b")], deletes: [] });
      expect(seen).toEqual([1, 1, 2]);
    });

    it("keeps any text", async () => {
      const on = await medium();
      const { store } = await opened(on);
      const text = 'line\nbreak, "quotes", \\, \u0000, ü, \u{1f600}, \u2028';
      await store.commit({ expected: 0, puts: [note("a", text)], deletes: [] });
      await store.close();
      expect((await opened(on)).snapshot.documents).toEqual([note("a", text)]);
    });

    it("keeps a large batch whole", async () => {
      const on = await medium();
      const { store } = await opened(on);
      const puts = Array.from({ length: 500 }, (_, index) => note(`n-${String(index).padStart(3, "0")}`));
      await store.commit({ expected: 0, puts, deletes: [] });
      await store.close();
      expect((await opened(on)).snapshot.documents).toEqual(puts);
    });

    it("finishes at close what was committed before, and refuses what comes after", async () => {
      const on = await medium();
      const { store } = await opened(on);
      const commit = store.commit({ expected: 0, puts: [note("a")], deletes: [] });
      await store.close();
      expect(await commit).toBe(1);
      const late = store.commit({ expected: 1, puts: [note("b")], deletes: [] });
      await expect(late).rejects.toSatisfy((error) => isGatewrightError(error, "store_unavailable"));
      await store.close();
      expect((await opened(on)).snapshot).toMatchObject({ revision: 1, documents: [note("a")] });
    });
  });
}

/** A document of the contract. */
export function note(id: string, text = `text of ${id}`): Note {
  return { id, text };
}
