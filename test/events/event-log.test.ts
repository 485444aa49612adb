import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EventLog, type EventLogOptions } from "../../src/events/event-log.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const folders = use(() => temporaryFolder());
let made = 0;
const newFolder = async (): Promise<string> => {
  const folder = join(folders.path, String(made++));
  await mkdir(folder);
  return folder;
};

const actor = { subject: "ann", via: "api" } as const;
/** A change; these are not sampled. */
const change = (name: string, data?: object) =>
  ({
    type: "ingress.changed",
    message: name,
    actor,
    ...(data === undefined ? {} : { data: { ...data } }),
  }) as const;

async function openLog(options: Partial<EventLogOptions> & { readonly folder: string }) {
  const logger = recordingLogger();
  const log = new EventLog({ logger, ...options });
  await log.open();
  return { log, logger };
}

const messages = (log: EventLog, after = 0): readonly string[] =>
  log.after(after, 1_000_000).map(({ event }) => event.message);
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

const textOf = (folder: string) => readFile(join(folder, "events.log"), "utf8").catch(() => "");

describe("the ring", () => {
  it("has the last events by growing ids, and says where it begins", async () => {
    const { log } = await openLog({ folder: await newFolder(), capacity: 4 });
    expect([log.lastId, log.droppedId, messages(log)]).toEqual([0, 0, []]);
    for (const name of numbers(0, 4)) log.emit(change(name));
    expect([log.droppedId, messages(log)]).toEqual([0, numbers(0, 4)]);
    const ids = log.after(0, 9).map(({ id }) => id);
    for (const name of numbers(4, 7)) log.emit(change(name));
    expect([log.droppedId, messages(log)]).toEqual([ids[2], numbers(3, 7)]);
    expect(messages(log, ids[3])).toEqual(numbers(4, 7));
    expect(messages(log, log.lastId)).toEqual([]);
    expect(log.after(0, 2).map(({ event }) => event.message)).toEqual(["3", "4"]);
    expect([...log.newest()].map(({ event }) => event.message)).toEqual(numbers(3, 7).reverse());
    await log.close();
  });

  it("can be read while events come", async () => {
    const { log } = await openLog({ folder: await newFolder(), capacity: 4 });
    for (const name of numbers(0, 4)) log.emit(change(name));
    const read: string[] = [];
    for (const { event } of log.newest()) {
      read.push(event.message);
      log.emit(change("more"));
    }
    expect(read).toEqual([...new Set(read)]);
    expect(read[0]).toBe("3");
    await log.close();
  });

  it("calls back once for events that come together", async () => {
    const { log } = await openLog({ folder: await newFolder() });
    let calls = 0;
    const unwatch = log.watch(() => void calls++);
    for (const name of numbers(0, 100)) log.emit(change(name));
    await until(() => calls > 0);
    unwatch();
    log.emit(change("later"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBe(1);
    await log.close();
  });
});

describe("the file", () => {
  it("gives the last events back after an orderly end, and ids go on", async () => {
    const folder = await newFolder();
    let ids: number[] = [];
    for (const round of [0, 1, 2]) {
      const { log } = await openLog({ folder, capacity: 10 });
      const all = numbers(0, round * 6);
      expect(messages(log)).toEqual(all.slice(-10));
      expect(log.after(0, 99).map(({ id }) => id)).toEqual(ids.slice(-10));
      for (const name of numbers(round * 6, round * 6 + 6)) log.emit(change(name, { round }));
      const after = log.after(0, 99).map(({ id }) => id);
      expect(after).toEqual([...new Set(after)].sort((one, other) => one - other));
      ids = [...ids, ...after.slice(-6)];
      await log.close();
    }
  });

  it("begins behind ids that were given and never written, also with the clock set back", async () => {
    const folder = await newFolder();
    let time = Date.parse("2026-11-20T00:00:00Z");
    const now = () => new Date(time);
    const first = await openLog({ folder, now });
    for (const name of numbers(0, 10)) first.log.emit(change(name));
    await first.log.close();
    const lost = first.log.lastId;
    await rm(join(folder, "events.log"));
    time += 1;
    const second = await openLog({ folder, now });
    second.log.emit(change("second"));
    expect(second.log.lastId).toBeGreaterThan(lost);
    await second.log.close();
    time -= 3_600_000;
    const third = await openLog({ folder, now });
    third.log.emit(change("third"));
    expect(third.log.lastId).toBeGreaterThan(second.log.lastId);
    await third.log.close();
  });

  it("is two segments of bounded size, from which at least as many as are kept come back", async () => {
    const folder = await newFolder();
    for (let round = 0; round < 5; round++) {
      const { log } = await openLog({ folder, capacity: 50 });
      for (const name of numbers(round * 120, round * 120 + 120)) {
        log.emit(change(name));
        if (Number(name) % 10 === 0) await until(async () => (await textOf(folder)).includes(`"${name}"`));
      }
      await log.close();
      const { log: again } = await openLog({ folder, capacity: 50 });
      expect(messages(again)).toEqual(numbers(round * 120 + 70, round * 120 + 120));
      expect(again.droppedId).toBeGreaterThan(0);
      await again.close();
      expect((await readdir(folder)).sort()).toEqual(["events.1.log", "events.log"]);
    }
    const lines = await Promise.all(
      ["events.1.log", "events.log"].map(
        async (name) => (await readFile(join(folder, name), "utf8")).split("\n").length,
      ),
    );
    for (const count of lines) expect(count).toBeLessThan(120);
    expect((await stat(join(folder, "events.log"))).mode & 0o777).toBe(0o600);
  });

  it("is read up to where a crash has torn it, wherever that is, and goes on after it", async () => {
    const folder = await newFolder();
    const { log } = await openLog({ folder });
    for (const name of ["a", "größer", "c"]) log.emit(change(name));
    await log.close();
    const path = join(folder, "events.log");
    const whole = await readFile(path);
    for (let size = 0; size <= whole.length; size++) {
      await writeFile(path, whole);
      await truncate(path, size);
      const torn = await openLog({ folder });
      const kept = messages(torn.log);
      // The end of a line is no part of it.
      const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at);
      expect(kept).toEqual(["a", "größer", "c"].slice(0, ends.filter((end) => end <= size).length));
      torn.log.emit(change("next"));
      await torn.log.close();
      const again = await openLog({ folder });
      expect(messages(again.log)).toEqual([...kept, "next"]);
      await again.log.close();
    }
  });

  it("leaves damaged lines out, and says so", async () => {
    const folder = await newFolder();
    const { log } = await openLog({ folder });
    for (const name of ["a", "b", "c"]) log.emit(change(name));
    await log.close();
    const path = join(folder, "events.log");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"b"', '"x"'));
    await appendFile(path, `${text.split("\n")[0]}\nnonsense\n`);
    const { log: again, logger } = await openLog({ folder });
    expect(messages(again)).toEqual(["a", "c"]);
    expect(logger.entries).toMatchObject([{ level: "warn", fields: { damaged: 2 } }]);
    await again.close();
  });

  it("that cannot be written loses no event of memory, and has all of them once it can", async () => {
    const folder = await newFolder();
    await mkdir(join(folder, "events.log"));
    const { log, logger } = await openLog({ folder, retryMs: 1 });
    for (const name of numbers(0, 5)) log.emit(change(name));
    await until(() => logger.entries.some(({ message }) => message.includes("cannot be written")));
    log.emit(change("5"));
    expect(messages(log)).toEqual(numbers(0, 6));
    await rm(join(folder, "events.log"), { recursive: true });
    await until(() => logger.entries.some(({ message }) => message.includes("written again")));
    await log.close();
    // Failing again and again is said once.
    expect(logger.entries.filter(({ message }) => message.includes("cannot be written"))).toHaveLength(1);
    const { log: again } = await openLog({ folder });
    expect(messages(again)).toEqual(numbers(0, 6));
    await again.close();
  });

  it("is not needed to begin", async () => {
    const { log } = await openLog({ folder: join(folders.path, "none") });
    log.emit(change("a"));
    expect(messages(log)).toEqual(["a"]);
    await log.close();
  });
});

describe("what is kept", () => {
  it("is no history of what strangers try, of which the log has a line", async () => {
    const { log, logger } = await openLog({ folder: await newFolder() });
    const unknown = { actor: { subject: "unknown", via: "api" } } as const;
    log.emit({ type: "ingress.refused", message: "no", ...unknown, data: { code: "Unauthorized" } });
    log.emit({ type: "ingress.refused", message: "yes", actor, data: { code: "Forbidden" } });
    expect(messages(log)).toEqual(["yes"]);
    expect(logger.entries.map(({ message }) => message)).toEqual(["no", "yes"]);
    await log.close();
  });

  it("is of bounded size, whatever is told", async () => {
    const folder = await newFolder();
    const { log } = await openLog({ folder });
    log.emit(change("x".repeat(5_000), { text: "y".repeat(50_000) }));
    const [event] = log.after(0, 1);
    expect(event?.event.message).toHaveLength(1_000);
    expect(JSON.parse(event?.text ?? "")).toMatchObject({
      message: "x".repeat(1_000),
      data: { left_out: expect.any(Number) },
    });
    await log.close();
  });

  it("are a thousand of a type a minute of what nobody asked for, and the number of the others", async () => {
    const { log } = await openLog({ folder: await newFolder() });
    for (const name of numbers(0, 1_500)) log.emit({ type: "target.unhealthy", message: name });
    log.emit({ type: "caddy.died", message: "died" });
    expect(messages(log)).toEqual([...numbers(0, 1_000), "died"]);
    await log.close();
  });
});
