import type { Problem } from "../errors.ts";
import type { Environment } from "./read.ts";

/** Settings that are gone, and what to do instead. Silence would have a gateway serve its own documents in place of another's. */
const removed: ReadonlyMap<string, string> = new Map(
  ["FOLLOW_URL", "FOLLOW_TOKEN", "FOLLOW_TOKEN_FILE", "FOLLOW_WRITER", "FOLLOW_INTERVAL"].map((name) => [
    name,
    "Gatewright follows no other one by REST any more; unset it, and have the gateways share an etcd (STORE=etcd, docs/high-availability.md), or apply the same files to each; docs/upgrading.md has the steps",
  ]),
);

/** What is wrong with settings that are given and gone. */
export function removedSettings(environment: Environment): readonly Problem[] {
  return [...removed].flatMap(([name, remedy]) =>
    (environment[name] ?? "").trim() === ""
      ? []
      : [{ code: "invalid_value" as const, field: name, message: `${name}: ${remedy}` }],
  );
}
