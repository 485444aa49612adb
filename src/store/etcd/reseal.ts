import type { EtcdClient } from "./client.ts";
import { messageOf } from "./patience.ts";
import type { Sealer } from "./sealer.ts";
import { endOf, type KeyValue } from "./wire.ts";

/** What became of sealing anew. */
export interface Resealed {
  /** Values that were sealed anew. */
  readonly sealed: number;
  /** Values that are sealed with the first key now. */
  readonly values: number;
  /** Why values are as they were, for operators; empty: the other keys are needed no more. */
  readonly problems: readonly string[];
}

/** What is sealed for good: documents with their log, and what Caddy has stored. The rest is gone with a lease. */
const FOLDERS = ["sets/", "caddy/data/"];
const PAGE = 200;
/** Values that are written at once. */
const AT_ONCE = 16;
/** A value that others write all the time is theirs to seal. */
const MOST_TRIES = 5;
const MOST_PROBLEMS = 20;

/**
 * Seals with the first key whatever another one has sealed below a prefix, as the gateways go on: a value that has changed
 * meanwhile is looked at again. Throws EtcdFailure.
 *
 * @param prefix ends in a slash
 */
export async function reseal(client: EtcdClient, sealer: Sealer, prefix: string): Promise<Resealed> {
  let [sealed, values] = [0, 0];
  const problems: string[] = [];
  const one = async (item: KeyValue): Promise<void> => {
    const outcome = await resealOne(client, sealer, prefix, item);
    if (outcome === "sealed") sealed += 1;
    if (outcome === "sealed" || outcome === "current") values += 1;
    else if (outcome !== "clear" && problems.length < MOST_PROBLEMS) problems.push(outcome.problem);
  };
  for (const folder of FOLDERS) {
    const end = endOf(prefix + folder);
    for (let key = prefix + folder; ; ) {
      const { items, more } = await client.range({ key, end, limit: PAGE });
      for (let at = 0; at < items.length; at += AT_ONCE)
        await Promise.all(items.slice(at, at + AT_ONCE).map(one));
      const last = items.at(-1);
      if (!more || last === undefined) break;
      key = `${last.key}\0`;
    }
  }
  return { sealed, values, problems };
}

async function resealOne(
  client: EtcdClient,
  sealer: Sealer,
  prefix: string,
  first: KeyValue,
): Promise<"sealed" | "current" | "clear" | { readonly problem: string }> {
  let item: KeyValue | undefined = first;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    // Gone; heads and markers hold no secret.
    if (item === undefined || !sealer.isSealed(item.value)) return "clear";
    if (sealer.isCurrent(item.value)) return "current";
    const { key, modRevision } = item;
    const place = key.slice(prefix.length);
    let value: Buffer;
    try {
      value = sealer.seal(place, sealer.open(place, item.value));
    } catch (error) {
      return { problem: messageOf(error) };
    }
    const answer = await client.transact({
      compare: [{ key, modRevision }],
      success: [{ kind: "put", key, value }],
      failure: [{ kind: "range", key }],
    });
    if (answer.succeeded) return "sealed";
    item = answer.ranges[0]?.items[0];
  }
  return { problem: `${first.key} changes all the time; run it again` };
}
