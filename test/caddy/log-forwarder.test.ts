import { appendFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseLogEntry } from "../../src/caddy/log-entry.ts";
import {
  forwardCaddyLog,
  type LogForwarder,
  type LogForwarderOptions,
} from "../../src/caddy/log-forwarder.ts";
import { caddyLogging, caddyLogPath } from "../../src/caddy/log-settings.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import { createScrub } from "../../src/caddy/scrub.ts";
import { freePort } from "../support/free-port.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { httpApp, makeCaddyFolder } from "./caddy-folder.ts";

const none = createScrub([]);

describe("an entry of Caddy's log", () => {
  test("keeps its level and fields, under our names", () => {
    const line =
      '{"level":"warn","ts":1700000000.5,"logger":"tls.obtain","msg":"slow","module":"acme","names":["a.b"],"ok":true}';
    expect(parseLogEntry(line, none)).toEqual({
      level: "warn",
      message: "slow",
      fields: {
        caddy_ts: 1700000000.5,
        caddy_logger: "tls.obtain",
        module: "acme",
        names: ["a.b"],
        ok: true,
      },
    });
  });

  test("tells nothing about who asked for what", () => {
    const request = { remote_ip: "192.0.2.1", uri: "/private?token=x", headers: { Cookie: ["c"] } };
    const entry = {
      level: "error",
      msg: "dial failed",
      status: 502,
      request,
      uri: "/private",
      client_ip: "192.0.2.1",
    };
    const text = JSON.stringify(parseLogEntry(JSON.stringify(entry), none));
    expect(text).toContain("502");
    expect(text).not.toMatch(/192\.0\.2\.1|private|Cookie/);
  });

  test("is without secrets", () => {
    const scrub = createScrub(["hidden-token"]);
    const line = JSON.stringify({
      level: "info",
      msg: "with hidden-token",
      error: "hidden-token!",
      list: ["hidden-token"],
    });
    expect(JSON.stringify(parseLogEntry(line, scrub))).not.toContain("hidden");
  });

  test.each([
    ["panic", "error"],
    ["fatal", "error"],
    ["dpanic", "error"],
    ["debug", "debug"],
    // What each start and reload says; news about certificates stays at info (above).
    ["info", "debug"],
  ])("level %s is %s", (level, ours) => {
    expect(parseLogEntry(JSON.stringify({ level, msg: "x" }), none)?.level).toBe(ours);
  });

  test("is at debug when it warns of what is so on purpose", () => {
    const line = JSON.stringify({
      level: "warn",
      msg: "HTTP/2 skipped because it requires TLS",
      logger: "http",
    });
    expect(parseLogEntry(line, none)?.level).toBe("debug");
  });

  test.each(["", "goroutine 1 [running]:", "[1]", "null", '{"level":"info"}'])("%j is none", (line) => {
    expect(parseLogEntry(line, none)).toBeUndefined();
  });
});

describe("following", () => {
  let folder: string;
  let file: string;
  let logger: RecordingLogger;
  let forwarder: LogForwarder | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "gatewright-log-"));
    file = caddyLogPath(folder);
    logger = recordingLogger();
  });

  afterEach(async () => {
    await forwarder?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const follow = async (changes: Partial<LogForwarderOptions> = {}) => {
    forwarder = await forwardCaddyLog({ folder, logger, pollMs: 50, ...changes });
  };
  const line = (msg: string) => `${JSON.stringify({ level: "info", msg })}\n`;
  const messages = () => logger.entries.map((entry) => entry.message);
  const see = (...wanted: string[]) => until(() => messages().join() === wanted.join());

  test("an ended Caddy is told of by the manager, and its own farewell is no warning", () => {
    const line = JSON.stringify({ level: "warn", msg: "exiting; byeee!! 👋", signal: "SIGTERM" });
    expect(parseLogEntry(line, none)?.level).toBe("debug");
  });

  test("passes on what is written from now on, not what was there", async () => {
    await writeFile(file, line("before"));
    await follow();
    await appendFile(file, line("one") + line("two"));
    await see("one", "two");
  });

  test("waits for a file that is not there yet, and for the end of a line", async () => {
    await follow();
    await writeFile(file, line("first") + line("sécond").slice(0, 25));
    await see("first");
    await appendFile(file, line("sécond").slice(25));
    await see("first", "sécond");
  });

  test("goes on in the new file after a rotation, and loses nothing of the old one", async () => {
    await writeFile(file, "");
    await follow();
    await appendFile(file, line("old 1"));
    await see("old 1");
    await appendFile(file, line("old 2"));
    await rename(file, path.join(folder, "caddy-2026.log"));
    await writeFile(file, line("new 1"));
    await see("old 1", "old 2", "new 1");
  });

  test("starts over in a file that was emptied", async () => {
    await writeFile(file, line("a long entry that was there before"));
    await follow();
    await writeFile(file, line("x"));
    await see("x");
  });

  test("is not drowned by a flood: it skips, says how much, and goes on", async () => {
    await writeFile(file, "");
    await follow({ mostBehindBytes: 2_000, pollMs: 60_000 });
    await appendFile(file, line("flood").repeat(1_000) + line("after"));
    await until(() => messages().includes("after"));
    const [warning] = logger.entries;
    expect(warning?.level).toBe("warn");
    expect(Number(warning?.fields["skipped"])).toBeGreaterThan(20_000);
    expect(messages().length).toBeLessThan(100);
  });

  test("passes over lines that are no entries or too long", async () => {
    await writeFile(file, "");
    await follow();
    await appendFile(file, `not json\n${line("x".repeat(200_000))}${line("after")}`);
    await until(() => messages().includes("after"));
    expect(messages().every((message) => message.length < 100)).toBe(true);
  });

  test("close still passes on what was written before it", async () => {
    await writeFile(file, "");
    await follow({ pollMs: 60_000 });
    await appendFile(file, line("last"));
    await forwarder?.close();
    expect(messages()).toEqual(["last"]);
  });
});

test("the real Caddy's entries arrive", async () => {
  await using place = await makeCaddyFolder();
  const logger = recordingLogger();
  const forwarder = await forwardCaddyLog({ folder: place.folder, logger });
  const port = await freePort();
  const prepare = () =>
    writeFile(
      path.join(place.folder, "config.json"),
      JSON.stringify({
        ...place.config(httpApp(`127.0.0.1:${port}`)),
        logging: caddyLogging(place.folder, "DEBUG"),
      }),
    );
  const caddy = createCaddyProcess({ ...place, logger: recordingLogger(), prepare });
  await caddy.start();
  await until(() => logger.entries.some((entry) => entry.fields["caddy_logger"] === "http"));
  await caddy.stop();
  await forwarder.close();
});
