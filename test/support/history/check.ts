import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import type { Ingress } from "../../../src/model/api.ts";
import { toContent, type WireContent } from "../../../src/store/etcd/commit-text.ts";
import { Sealer } from "../../../src/store/etcd/sealer.ts";
import { builtProgram } from "../built-program.ts";
import type { Round } from "./record.ts";
import type { HistoryWorld } from "./world.ts";

/** What Porcupine makes of a history; `round` and `host` say where it is none, or could not be told. */
export interface Verdict {
  readonly result: "ok" | "illegal" | "unknown";
  readonly operations: number;
  readonly round?: number;
  readonly host?: string;
}

/** Whether each hostname's changes have one order in which all answers are right. Builds `test/linearizability` first. */
export async function verdictOf(rounds: readonly Round[]): Promise<Verdict> {
  const program = await builtProgram(resolve(import.meta.dirname, "../../linearizability"));
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(rounds));
  const [told] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return JSON.parse(told) as Verdict;
}

interface WireRange {
  readonly kvs?: readonly { readonly key: string; readonly value: string }[];
  readonly more?: boolean;
}

const LOG = "/gatewright/sets/ingresses/log/";

/** Every commit that etcd has, oldest first, with what it put and deleted. */
async function* commits(world: HistoryWorld) {
  const sealer = new Sealer([world.storeKey]);
  for (let from = LOG; ; ) {
    const question = { key: btoa(from), range_end: btoa(`${LOG.slice(0, -1)}0`), limit: 500 };
    const { kvs = [], more = false } = await world.etcd<WireRange>("/v3/kv/range", question);
    for (const { key, value } of kvs) {
      const place = atob(key).slice("/gatewright/".length);
      const entry = JSON.parse(sealer.open(place, Buffer.from(value, "base64")).toString()) as {
        readonly head: { readonly revision: number };
        readonly content: WireContent;
      };
      yield { revision: entry.head.revision, ...toContent(entry.content) };
      from = `${atob(key)}\0`;
    }
    if (!more) return;
  }
}

/** Hostnames that two ingresses have at one revision, and revisions that are missing, of all that etcd has; and how many it has. */
export async function claimsOf(
  world: HistoryWorld,
): Promise<{ readonly revisions: number; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const hosts = new Map<string, readonly string[]>();
  let last = 0;
  for await (const { deletes, puts, revision } of commits(world)) {
    if (revision !== last + 1) problems.push(`revision ${revision} follows ${last}`);
    last = revision;
    for (const id of deletes) hosts.delete(id);
    for (const put of puts as unknown as readonly Ingress[])
      hosts.set(
        put.id,
        put.rules.map(({ match }) => match.hostname),
      );
    const all = [...hosts.values()].flat();
    const twice = all.filter((host, at) => all.indexOf(host) !== at);
    if (twice.length > 0) problems.push(`${twice} at revision ${revision}`);
  }
  return { revisions: last, problems };
}
