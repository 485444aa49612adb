import { afterEach, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { endFollowing, follow, ingress, lines, takenPort } from "./following.ts";

afterEach(endFollowing);

describe("a follower", () => {
  it("C4: follows ingresses that swapped hostnames or names, or pass them on in a ring, in one change", async () => {
    const [a, b, c] = [ingress("a"), ingress("b"), ingress("c")];
    const { caddy, said, served, follower } = await follow({ held: [a, b, c], answer: [a, b, c] });
    const swapped = [
      ingress("a", "b.example.com", { name: "b" }),
      ingress("b", "a.example.com", { name: "a" }),
    ];
    const before = caddy.changes.length;
    said.list = [...swapped, c];
    await until(() => served()[0] === "a b b.example.com", 3_000);
    expect(served()).toEqual(lines(...swapped, c));
    expect(caddy.changes.slice(before)).toEqual(["patchTable"]);
    const ring = [
      ingress("a", "c.example.com"),
      ingress("b", "b.example.com"),
      ingress("c", "a.example.com"),
    ];
    said.list = ring;
    await until(() => served()[2] === "c c a.example.com", 3_000);
    expect(served()).toEqual(lines(...ring));
    expect(follower.reasons()).toEqual([]);
  });

  it("C4: gives a new ingress the hostname of one that goes", async () => {
    const { said, served } = await follow({
      held: [ingress("old", "x.test")],
      answer: [ingress("old", "x.test")],
    });
    said.list = [ingress("new", "x.test", { name: "old" })];
    await until(() => served()[0] === "new old x.test", 3_000);
    expect(served()).toHaveLength(1);
  });

  it("C4: sets aside alone what it cannot read, and serves what it knew of it until another needs its place", async () => {
    const unreadable = { id: "bad", name: "bad", rules: "of another version" };
    const bad = ingress("bad", "bad.test");
    const { said, served, follower, logger, settled } = await follow({
      held: [bad, ingress("gone")],
      answer: [unreadable, ingress("good")],
    });
    await until(() => served().length === 2 && served()[1]?.startsWith("good") === true, 3_000);
    expect(served()).toEqual(lines(bad, ingress("good")));
    expect(follower.reasons()).toMatchObject([
      expect.stringContaining("ingress bad of the followed Gatewright"),
    ]);
    await settled();
    expect(logger.entries.filter(({ level }) => level === "error")).toHaveLength(1);
    said.list = [unreadable, ingress("good", "bad.test")];
    await until(() => served().length === 1, 3_000);
    expect(served()).toEqual(lines(ingress("good", "bad.test")));
    said.list = [ingress("bad", "good.test"), ingress("good", "bad.test")];
    await until(() => served().length === 2, 3_000);
    expect(follower.reasons()).toEqual([]);
  });

  it("C4: leaves out alone what cannot be served, though another takes its place, and tries it again", async () => {
    const { port, free } = await takenPort();
    const [a, b] = [ingress("a"), ingress("b")];
    const { said, served, follower } = await follow({ held: [a, b], answer: [a, b] });
    const refused = ingress("a", "new.test", { port });
    const passedOn = ingress("b", "a.example.com");
    said.list = [refused, passedOn];
    await until(() => served().length === 1, 3_000);
    expect(served()).toEqual(lines(passedOn));
    expect(follower.reasons()).toMatchObject([expect.stringContaining(`port ${port}`)]);
    // The answer stays the same.
    await free();
    await until(() => served().length === 2, 3_000);
    expect(served()).toEqual(lines(refused, passedOn));
    expect(follower.reasons()).toEqual([]);
  });

  it("makes changes again that Caddy's absence prevented, though the answer stays the same", async () => {
    const { caddy, said, served, follower } = await follow({
      held: [ingress("gone"), ingress("a")],
      answer: [],
    });
    said.list = [ingress("a"), ingress("b")];
    let refusals = 0;
    caddy.onRequest = ({ method }) => {
      if (method === "patchTable" && refusals++ === 0) throw new Error("no answer");
    };
    await until(() => served().join() === lines(ingress("a"), ingress("b")).join(), 3_000);
    expect(refusals).toBeGreaterThan(1);
    await until(() => follower.reasons().length === 0, 3_000);
  });
});

describe("C4: a writer that answers no ingresses", () => {
  it("is followed when it is the one that had them", async () => {
    const { said, served } = await follow({ held: [ingress("a")], answer: [ingress("a"), ingress("b")] });
    await until(() => served().length === 2, 3_000);
    said.list = [];
    await until(() => served().length === 0, 3_000);
  });

  it("is not followed when its store is another one, or none, until FOLLOW_WRITER names it", async () => {
    const { said, served, follower, settled } = await follow({ answer: [ingress("a"), ingress("b")] });
    await until(() => served().length === 2, 3_000);
    for (const store of ["store-2", undefined]) {
      said.store = store;
      said.list = store === undefined ? [] : [ingress("c")];
      await until(() => follower.reasons().some((reason) => reason.includes(store ?? "does not say")), 3_000);
      await settled();
      expect(served()).toHaveLength(2);
    }
    said.store = "store-1";
    await until(() => served().length === 0, 3_000);
    expect(follower.reasons()).toEqual([]);
  });

  it("is not followed at the first meeting while ingresses are served", async () => {
    const { served, follower, settled, said } = await follow({ held: [ingress("a")], answer: [] });
    await until(() => follower.reasons().length > 0, 3_000);
    expect(follower.reasons()[0]).toContain("set FOLLOW_WRITER=store-1");
    await settled();
    expect(served()).toHaveLength(1);
    said.list = [ingress("b")];
    await until(() => served()[0]?.startsWith("b") === true, 3_000);
  });

  it("is followed at the first meeting when FOLLOW_WRITER names it", async () => {
    const { served } = await follow({ held: [ingress("a")], answer: [], writer: "store-1" });
    await until(() => served().length === 0, 3_000);
  });
});
