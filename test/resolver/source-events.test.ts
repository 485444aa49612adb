import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { EventDraft } from "../../src/model/event.ts";
import { FileResolver } from "../../src/resolver/file.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

it("a source tells how it does, and which instances appear, move, change and go, but none of its first list", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "instances.json");
  const told: EventDraft[] = [];
  const events = { emit: (event: EventDraft) => void told.push(event) };
  const write = (...instances: readonly object[]) =>
    writeFile(path, JSON.stringify(instances.map((one) => ({ created_at: "2026-01-01T00:00:00Z", ...one }))));
  const vm = (name: string, ip: string, state = "Running") => ({
    id: `id-${name}`,
    name,
    state,
    network: { ip },
  });
  await write(vm("a", "10.0.0.1"), vm("b", "10.0.0.2"), vm("c", "10.0.0.3"));
  const source = new FileResolver({ path, intervalMs: 20, events, logger: recordingLogger() });
  await source.start();
  await write(vm("a", "10.0.0.9"), vm("c", "10.0.0.3", "Initializing"), vm("d", "10.0.0.4"));
  await until(() => told.length >= 5);
  await rm(path);
  await until(() => told.some(({ type }) => type === "source.failing"));
  await write(vm("a", "10.0.0.9"));
  await until(() => told.filter(({ type }) => type === "source.answering").length === 2);
  await source.close();
  const [first, ...rest] = told.map(({ type, message }) => `${type}: ${message}`);
  expect(first).toBe("source.answering: instance file answers, and has 3 instances");
  expect(rest.slice(0, 4).sort()).toEqual([
    "instance.appeared: instance d appeared at 10.0.0.4",
    "instance.changed: instance c is Initializing",
    "instance.gone: instance b is gone",
    "instance.moved: instance a is at 10.0.0.9, before at 10.0.0.1",
  ]);
  expect(told.find(({ type }) => type === "source.failing")?.data?.["reason"]).toEqual(expect.any(String));
  for (const event of told) expect(event.actor).toBeUndefined();
});
