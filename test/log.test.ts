import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { Secret } from "../src/config.ts";
import { createLogger, type LoggerOptions } from "../src/log.ts";

/** Logs with `use` and gives back the lines that were written. */
async function linesOf(options: LoggerOptions, use: (logger: ReturnType<typeof createLogger>) => void) {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  const logger = createLogger({ stream, ...options });
  use(logger);
  await logger.close();
  return text.split("\n").slice(0, -1);
}

test("writes JSON where there is no terminal, one object a line", async () => {
  const lines = await linesOf({}, (logger) => {
    logger.info("started", { port: 8080 });
    logger.child("caddy").warn("slow", { ms: 12.5, names: ["a", "b"] });
  });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time: expect.stringMatching(/^\d{4}-.*Z$/), level: "info", message: "started", port: 8080 },
    {
      time: expect.any(String),
      level: "warn",
      subsystem: "caddy",
      message: "slow",
      ms: 12.5,
      names: ["a", "b"],
    },
  ]);
});

test("writes readable lines on a terminal", async () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true });
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  const logger = createLogger({ stream });
  logger.child("dns").error("no answer", { name: "web-1", text: "two words", gone: undefined });
  await logger.close();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const bare = text.replace(/\u001b\[\d+m/g, "");
  expect(bare).toMatch(/^\d\d:\d\d:\d\d\.\d{3} ERROR dns no answer name=web-1 text="two words"\n$/);
});

test("each subsystem has its own level, the others the common one", async () => {
  const lines = await linesOf({ level: "warn", levels: { dns: "debug", api: "error" } }, (logger) => {
    logger.info("no");
    logger.child("dns").debug("yes 1");
    logger.child("api").warn("no");
    logger.child("api").error("yes 2");
    logger.child("store").warn("yes 3");
    logger.child("dns").child("store").info("no");
  });
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(["yes 1", "yes 2", "yes 3"]);
});

const forged = 'x\n12:00:00.000 INFO  all is well\r\u001b[2J\u009b1m\u2028\u202e "';

describe("text from outside cannot forge lines or steer the terminal", () => {
  test.each(["human", "json"] as const)("in the form %s", async (format) => {
    const lines = await linesOf({ format }, (logger) => {
      logger.info(forged, { [forged]: forged, error: new Error(forged), deep: { list: [forged] } });
    });
    expect(lines).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    const unsafe = /[\u0000-\u001a\u001c-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]|\u001b\[2J/;
    expect(lines[0]).not.toMatch(unsafe);
    if (format === "json")
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({ message: forged, [forged]: forged });
  });
});

test("fields cannot replace the entry's own keys", async () => {
  const [line] = await linesOf({}, (logger) => logger.info("true", { message: "forged", level: "error" }));
  expect(JSON.parse(line ?? "")).toMatchObject({
    message: "true",
    level: "info",
    message_: "forged",
    level_: "error",
  });
});

test("errors keep code and cause; cycles, bigints and secrets do no harm", async () => {
  const cycle: { self?: object } = {};
  cycle.self = cycle;
  const error = Object.assign(new Error("outer", { cause: new Error("inner") }), { code: "EPIPE" });
  const [line] = await linesOf({}, (logger) => {
    logger.error("failed", {
      error,
      cycle,
      big: 10n,
      secret: new Secret("hidden"),
      map: new Map([["a", 1]]),
    });
  });
  expect(line).not.toContain("hidden");
  expect(JSON.parse(line ?? "")).toMatchObject({
    error: { message: "outer", code: "EPIPE", cause: { message: "inner" } },
    big: "10",
    secret: "[redacted]",
    map: [["a", 1]],
  });
});

test("close writes all of many entries", async () => {
  const lines = await linesOf({}, (logger) => {
    for (let number = 0; number < 5000; number++) logger.info("entry", { number });
  });
  expect(lines).toHaveLength(5000);
  expect(JSON.parse(lines.at(-1) ?? "").number).toBe(4999);
});

test("a reader that goes away does not end the process", async () => {
  const stream = new PassThrough();
  const logger = createLogger({ stream });
  stream.destroy(new Error("EPIPE"));
  await new Promise((resolve) => setImmediate(resolve));
  logger.info("nobody listens");
});
