import { failuresOf, type LoadReport } from "../load-generator.ts";
import type { Measurement } from "../report.ts";
import type { Bench } from "../row.ts";
import type { Site } from "../site.ts";

const CLIENTS = 8;
const SOCKETS = 100;

export interface Watched<T> {
  readonly result: T;
  readonly http: LoadReport;
  readonly sockets: LoadReport;
}

/** Does something while 8 keep-alive clients ask without pause and 100 WebSockets are open. */
export async function watched<T>(bench: Bench, site: Site, work: () => Promise<T>): Promise<Watched<T>> {
  const http = bench.load.start("http", { ...site.target, connections: CLIENTS });
  const sockets = bench.load.start("websocket", { ...site.target, sockets: SOCKETS });
  try {
    await Promise.all([http.ready, sockets.ready]);
    const result = await work();
    http.end();
    sockets.end();
    return { result, http: await http.report, sockets: await sockets.report };
  } finally {
    http.end();
    sockets.end();
  }
}

/** The failures that the clients and sockets have seen, which must be none. */
export function failures(
  row: string,
  during: string,
  size: number,
  seen: Watched<unknown>,
): readonly Measurement[] {
  const figure = (what: string, report: LoadReport, unit: "failed" | "closed"): Measurement => {
    const value = failuresOf(report);
    const kinds = value === 0 ? "" : ` (${Object.keys(report.failures).join(", ")})`;
    return {
      row,
      what: `${what} during ${during}${kinds}`,
      size,
      value,
      unit,
      goal: { text: "0", met: value === 0 },
    };
  };
  return [
    figure(`requests of ${CLIENTS} clients`, seen.http, "failed"),
    figure(`${SOCKETS} WebSockets`, seen.sockets, "closed"),
  ];
}
