import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import type { EventDraft } from "../model/event.ts";
import { PRIVATE_FILE_MODE, writeDurably } from "../store/durable.ts";

type Given = Config["given"];

/**
 * That this Gatewright has started, with the settings that it was given and those that differ from the start before. Keeps
 * them for the next start; a disk that takes nothing makes every difference be told again.
 */
export async function startedEvent(config: Config, version: string): Promise<EventDraft> {
  const path = join(config.dataDir, "events/settings.json");
  const before = await readGiven(path);
  const { given } = config;
  const text = `${JSON.stringify(given)}\n`;
  const kept = text === before?.text ? chmod(path, PRIVATE_FILE_MODE) : writeDurably(path, text);
  await kept.catch(() => undefined);
  const changed = before === undefined ? [] : differences(before.given, given);
  const names = changed.map(({ name }) => name);
  const what = names.length === 0 ? "" : `; settings changed since the last start: ${names.join(", ")}`;
  return {
    type: "gateway.started",
    message: `Gatewright ${version} has started${what}`,
    data: { version, settings: given, changed },
  };
}

interface Difference {
  readonly name: string;
  /** Absent where the setting was not given. */
  readonly before?: string;
  readonly now?: string;
}

function differences(before: Given, now: Given): readonly Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    const [was, is] = [before[name], now[name]];
    if (was === is) return [];
    return [
      { name, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { now: is }) },
    ];
  });
}

async function readGiven(
  path: string,
): Promise<{ readonly given: Given; readonly text: string } | undefined> {
  try {
    const text = await readFile(path, "utf8");
    const given: unknown = JSON.parse(text);
    return typeof given === "object" && given !== null ? { given: given as Given, text } : undefined;
  } catch {
    return undefined;
  }
}
