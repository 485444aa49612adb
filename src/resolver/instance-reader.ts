import type { Instance, InstanceNetwork, InstanceState, Tags } from "../model/api.ts";

/** What could be read of a list of instances, and what could not. */
export interface InstanceList {
  readonly instances: readonly Instance[];
  /** One sentence for each entry that was left out, with its place. */
  readonly problems: readonly string[];
}

type JsonObject = Readonly<{ [key: string]: unknown }>;

const states: ReadonlySet<string> = new Set<InstanceState>([
  "Created",
  "Initializing",
  "Running",
  "Paused",
  "Shutdown",
  "Stopped",
  "Standby",
  "Unknown",
]);

/**
 * Reads hypeman's `GET /instances`: an array of objects with at least `id` and `name`. Keeps what Gatewright uses and
 * drops the rest (sizes, mounts, health), which would only take memory. An unknown state becomes `Unknown`, an absent
 * network a disabled one. Throws a plain Error when the value is no array.
 */
export function readInstances(value: unknown): InstanceList {
  if (!Array.isArray(value)) throw new Error("not a JSON array of instances");
  const instances = new Map<string, Instance>();
  const problems: string[] = [];
  for (const [at, entry] of value.entries()) {
    const instance = readInstance(entry);
    if (typeof instance === "string") problems.push(`[${at}]: ${instance}`);
    else if (instances.has(instance.id.toLowerCase()))
      problems.push(`[${at}]: id "${instance.id}" occurs twice`);
    else instances.set(instance.id.toLowerCase(), instance);
  }
  return { instances: [...instances.values()], problems };
}

/** One instance in hypeman's form, as stored or sent. Throws a plain Error that says what is wrong. */
export function parseInstance(value: unknown): Instance {
  const instance = readInstance(value);
  if (typeof instance === "string") throw new Error(instance);
  // The parsed object takes less memory than one put together here.
  return JSON.stringify(instance) === JSON.stringify(value) ? (value as Instance) : instance;
}

/** An instance, or what is wrong with the entry. */
function readInstance(entry: unknown): Instance | string {
  if (!isObject(entry)) return "not an object";
  const id = text(entry["id"]);
  const name = text(entry["name"]);
  if (id === undefined) return "`id` is not a non-empty string";
  if (name === undefined) return "`name` is not a non-empty string";
  const network = readNetwork(entry["network"]);
  if (typeof network === "string") return network;
  const state = text(entry["state"]) ?? "Unknown";
  const { tags } = readTags(entry["tags"]);
  // hypeman has no services; a tag of that name tells.
  const service = serviceOf(text(entry["service"]) ?? tags?.["service"]);
  const updatedAt = text(entry["updated_at"]);
  return {
    id,
    name,
    state: states.has(state) ? (state as InstanceState) : "Unknown",
    network,
    ...(service === undefined ? {} : { service }),
    ...(tags === undefined ? {} : { tags }),
    created_at: text(entry["created_at"]) ?? new Date(0).toISOString(),
    ...(updatedAt === undefined ? {} : { updated_at: updatedAt }),
  };
}

function readNetwork(value: unknown): InstanceNetwork | string {
  if (value === undefined || value === null) return { enabled: false, ip: null };
  if (!isObject(value)) return "`network` is not an object";
  const ip = value["ip"] ?? null;
  if (ip !== null && typeof ip !== "string") return "`network.ip` is neither a string nor null";
  const mac = text(value["mac"]);
  const name = text(value["name"]);
  return {
    enabled: value["enabled"] !== false,
    ip: ip === "" ? null : ip,
    ...(mac === undefined ? {} : { mac }),
    ...(name === undefined ? {} : { name }),
  };
}

function readTags(value: unknown): { readonly tags?: Tags } {
  if (!isObject(value)) return {};
  const tags = Object.entries(value).filter((tag): tag is [string, string] => typeof tag[1] === "string");
  return tags.length === 0 ? {} : { tags: Object.fromEntries(tags) };
}

/** A service must be a DNS label, since DNS is asked for it. */
function serviceOf(value: string | undefined): string | undefined {
  return value !== undefined && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(value)
    ? value.toLowerCase()
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
