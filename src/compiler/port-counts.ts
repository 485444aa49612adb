import type { PortUse } from "./port-use.ts";
import type { Row } from "./row.ts";

/** What rows expect of a port: `<kind>` and `<kind> <listen address>`, each with the number of rows. */
type Counts = Map<string, number>;

type PortRow = Pick<Row, "port"> & Partial<Pick<Row, "tls" | "listen" | "layer4">>;

/** Counts the kinds of traffic on each port, and the addresses that it is expected on. */
export class PortCounts {
  readonly #ports = new Map<number, Counts>();

  /** Adds or takes away a row. Returns whether the port is used in another way than before. */
  count(row: PortRow, step: 1 | -1): boolean {
    const counts = this.#ports.get(row.port) ?? new Map<string, number>();
    let changed = false;
    for (const key of keysOf(row)) {
      const uses = (counts.get(key) ?? 0) + step;
      changed ||= uses === (step === 1 ? 1 : 0);
      if (uses === 0) counts.delete(key);
      else counts.set(key, uses);
    }
    if (counts.size === 0) this.#ports.delete(row.port);
    else this.#ports.set(row.port, counts);
    return changed;
  }

  /** By ascending port. */
  list(): readonly PortUse[] {
    return [...this.#ports]
      .map(([port, counts]) => useOf(port, counts))
      .sort((left, right) => left.port - right.port);
  }
}

function keysOf({ tls, listen = [""], layer4 }: PortRow): readonly string[] {
  const network = layer4?.protocol === "udp" ? "udp" : "tcp";
  const addresses = listen.map((address) => `${network} ${address}`);
  switch (layer4?.protocol) {
    case undefined:
      return [tls === true ? "tls" : "plain", ...addresses];
    case "tls":
      return ["names", ...(layer4.terminate === true ? ["ends"] : []), ...addresses];
    case "tcp":
      return ["whole", ...addresses];
    case "udp":
      return addresses;
  }
}

function useOf(port: number, counts: Counts): PortUse {
  const flag = (key: "names" | "ends" | "whole") => (counts.has(key) ? { [key]: true as const } : {});
  const tcp = addressesOf(counts, "tcp ");
  const udp = addressesOf(counts, "udp ");
  return {
    port,
    plain: counts.has("plain"),
    tls: counts.has("tls"),
    ...flag("names"),
    ...flag("ends"),
    ...flag("whole"),
    ...(tcp.some((address) => address !== "") ? { listen: tcp } : {}),
    ...(udp.length === 0 ? {} : { udp }),
  };
}

function addressesOf(counts: Counts, prefix: string): readonly string[] {
  return [...counts.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .sort();
}

/** What either of two uses of one port has. */
export function uniteUses(left: PortUse, right: PortUse): PortUse {
  const flag = (key: "names" | "ends" | "whole") =>
    left[key] === true || right[key] === true ? { [key]: true as const } : {};
  const listen = uniteListen(left, right);
  const udp = [...new Set([...(left.udp ?? []), ...(right.udp ?? [])])].sort();
  return {
    port: left.port,
    plain: left.plain || right.plain,
    tls: left.tls || right.tls,
    ...flag("names"),
    ...flag("ends"),
    ...flag("whole"),
    ...(listen === undefined ? {} : { listen }),
    ...(udp.length === 0 ? {} : { udp }),
  };
}

function uniteListen(left: PortUse, right: PortUse): readonly string[] | undefined {
  if (left.listen === undefined && right.listen === undefined) return undefined;
  const of = (use: PortUse) => use.listen ?? (usesTcp(use) ? [""] : []);
  return [...new Set([...of(left), ...of(right)])].sort();
}

/** Whether the port is bound for TCP. */
export function usesTcp({ plain, tls, names, whole }: PortUse): boolean {
  return plain || tls || names === true || whole === true;
}
