import type { Instance } from "../../src/model/api.ts";

/** What a test says of an instance; the rest is filled in. */
export interface InstanceSketch {
  readonly id?: string;
  readonly name: string;
  readonly ip?: string | null;
  readonly state?: Instance["state"];
  readonly enabled?: boolean;
}

/** An instance in hypeman's form; its id is made of its name unless one is given. */
export function instanceFrom(sketch: InstanceSketch): Instance {
  return {
    id: sketch.id ?? `id-${sketch.name.replaceAll(".", "-").toLowerCase()}`,
    name: sketch.name,
    state: sketch.state ?? "Running",
    network: { enabled: sketch.enabled ?? true, ip: sketch.ip === undefined ? "10.0.0.1" : sketch.ip },
    created_at: "2026-01-02T03:04:05Z",
  };
}
