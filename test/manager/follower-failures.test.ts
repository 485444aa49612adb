import { afterEach, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { endFollowing, follow, ingress, lines } from "./following.ts";

afterEach(endFollowing);

type Following = Awaited<ReturnType<typeof follow>>;
const entries = ({ logger }: Following, level: string): readonly string[] =>
  logger.entries.filter((entry) => entry.level === level).map(({ message }) => message);
const fails = ({ follower }: Following, reason: string): Promise<void> =>
  until(() => follower.reasons().some((one) => one.includes(reason)));

describe("the question", () => {
  it.each([
    [undefined, "-"],
    ["secret", "Bearer secret"],
  ])("goes to the list, with the token %s", async (token, header) => {
    const { said } = await follow(token === undefined ? {} : { token });
    await until(() => said.asked > 0);
    expect(said.question).toBe(`GET /ingresses ${header}`);
  });
});

describe("an answer that cannot be followed", () => {
  it.each<[string, (said: Following["said"]) => void, string]>([
    ["has another status", (said) => (said.status = 401), "it answers with status 401"],
    ["is no JSON", (said) => (said.text = "<html>"), "JSON"],
    ["is no list", (said) => (said.text = '{"a":1}'), "the answer is no list of ingresses"],
    [
      "has an ingress without an id",
      (said) => (said.list = [ingress("b"), { name: "x" }]),
      "cannot be followed",
    ],
    ["has null for an ingress", (said) => (said.list = [ingress("b"), null]), "cannot be followed"],
  ])("%s: what was known is served, it is said once, and the next one counts", async (_, spoil, reason) => {
    const following = await follow({ answer: [ingress("a")] });
    const { said, served, follower, settled, url } = following;
    await until(() => served().length === 1);
    spoil(said);
    await fails(following, reason);
    expect(follower.reasons()).toEqual([
      expect.stringMatching(new RegExp(`^${url} cannot be followed: .*; what was known last is served$`)),
    ]);
    await settled();
    expect(served()).toEqual(lines(ingress("a")));
    expect(following.logger.entries.filter(({ level }) => level === "warn")).toEqual([
      expect.objectContaining({
        message: "the followed Gatewright cannot be followed; what was known last is served",
        fields: { url, error: expect.any(Error) },
      }),
    ]);
    Object.assign(said, { status: 200, text: undefined, list: [ingress("b")] });
    await until(() => served()[0]?.startsWith("b") === true);
    await until(() => entries(following, "info").length > 0);
    expect(follower.reasons()).toEqual([]);
    expect(entries(following, "info")).toEqual(["the followed Gatewright answers again"]);
  });

  it("is said again when it is another failure", async () => {
    const following = await follow({});
    for (const status of [401, 503, 401]) {
      following.said.status = status;
      await fails(following, `status ${status}`);
    }
    expect(entries(following, "warn")).toHaveLength(3);
  });

  it("has the next question wait longer, and a good one no more", async () => {
    const following = await follow({});
    const { said } = following;
    said.status = 503;
    await fails(following, "503");
    // 10, 20, 40, 80 ms.
    const at = performance.now();
    const { asked } = said;
    await until(() => said.asked >= asked + 4);
    expect(performance.now() - at).toBeGreaterThan(100);
    said.status = 200;
    await until(() => following.follower.reasons().length === 0);
    said.status = 503;
    await fails(following, "503");
    said.status = 200;
    await until(() => following.follower.reasons().length === 0);
    expect(entries(following, "info")).toHaveLength(2);
  });
});

describe("ingresses that cannot be served", () => {
  it("are named a hundred at the most, each logged once, and again for another reason", async () => {
    const bad = (id: string, rules: unknown) => ({ ...ingress(id), rules });
    const ids = Array.from({ length: 101 }, (_, index) => `i${index}`);
    const following = await follow({ answer: ids.map((id) => bad(id, "none")) });
    await until(() => following.follower.reasons().length > 0);
    await following.settled();
    expect(following.follower.reasons()).toHaveLength(100);
    expect(entries(following, "error")).toHaveLength(101);
    following.said.list = [bad("i0", []), bad("i1", "none")];
    await until(() => following.follower.reasons().length === 2);
    expect(entries(following, "error")).toHaveLength(102);
    following.said.list = [];
    await until(() => following.follower.reasons().length === 0);
  });

  it("do not have the list gone through again once they can be", async () => {
    const following = await follow({ answer: [ingress("a"), ingress("b", "b.test", { name: "a" })] });
    const { said, served, follower, settled, manager } = following;
    await until(() => served().length === 1);
    expect(follower.reasons()).toEqual([
      expect.stringMatching(/^ingress [ab] of the followed Gatewright cannot be served: .*"a"/),
    ]);
    said.list = [ingress("a"), ingress("b", "b.test")];
    await until(() => served().length === 2);
    let taken = 0;
    const { take } = manager.followed;
    manager.followed.take = (state) => {
      taken += 1;
      return take.call(manager.followed, state);
    };
    await settled();
    expect(taken).toBe(0);
    said.store = "store-1";
    said.list = [ingress("a")];
    await until(() => served().length === 1);
    expect(taken).toBe(1);
  });
});

describe("whose ingresses are stored here", () => {
  it("is remembered when they are taken over", async () => {
    const { record, served, url } = await follow({ answer: [ingress("a")] });
    await until(() => served().length === 1);
    expect(await record.read()).toEqual({ url, store: "store-1" });
  });

  it("counts at the URL that it had only", async () => {
    const before = { held: [ingress("old")], answer: [ingress("new")] };
    const moved = await follow({
      ...before,
      followed: () => ({ url: "http://elsewhere.test", store: "store-9" }),
    });
    await until(() => moved.served()[0]?.startsWith("new") === true);
    expect(await moved.record.read()).toEqual({ url: moved.url, store: "store-1" });
    const replaced = await follow({ ...before, followed: (url) => ({ url, store: "store-9" }) });
    await fails(
      replaced,
      "it has the store store-1, not store-9; if that is right, set FOLLOW_WRITER=store-1",
    );
    expect(replaced.served()).toEqual(lines(ingress("old")));
  });

  it("is asked of a writer that does not say it, in words that help", async () => {
    const silent = await follow({ writer: "store-1", answer: [ingress("a")] });
    silent.said.store = undefined;
    await fails(silent, "it does not say which store it has, not store-1");
    const empty = await follow({ held: [ingress("a")] });
    empty.said.store = undefined;
    await fails(empty, "it does not say which store it has: update it");
    expect(empty.served()).toHaveLength(1);
    expect(await empty.record.read()).toBeUndefined();
  });

  it("need not be known where nothing would be lost", async () => {
    const following = await follow({ answer: [] });
    following.said.store = undefined;
    await following.settled();
    expect(following.follower.reasons()).toEqual([]);
    following.said.list = [ingress("a")];
    await until(() => following.served().length === 1);
  });
});

it("a follower that is stopped does not wait for its next question", async () => {
  const { follower, served } = await follow({ answer: [ingress("a")], intervalMs: 3_600_000 });
  await until(() => served().length === 1);
  await follower.stop();
});

it("a follower that is stopped asks no more, and takes the end of a question for no failure", async () => {
  const { follower, logger, said, settled } = await follow({ answer: [ingress("a")] });
  await settled();
  const { asked } = said;
  said.isSilent = true;
  await until(() => said.asked > asked);
  await follower.stop();
  expect(logger.entries.filter(({ level }) => level === "warn")).toEqual([]);
});
