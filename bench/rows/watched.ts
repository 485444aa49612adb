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

/** The failures that clients and sockets have seen in all rounds, which must be none. */
export function failures(
  row: string,
  during: string,
  size: number,
  rounds: readonly Watched<unknown>[],
): readonly Measurement[] {
  const figure = (what: string, reports: readonly LoadReport[], unit: "failed" | "closed"): Measurement => {
    const value = reports.reduce((sum, report) => sum + failuresOf(report), 0);
    const kinds = [...new Set(reports.flatMap((report) => Object.keys(report.failures)))].join(", ");
    return {
      row,
      what: `${what} during ${during}${kinds === "" ? "" : ` (${kinds})`}`,
      size,
      value,
      unit,
      goal: { text: "0", met: value === 0 },
    };
  };
  const clients = rounds.map(({ http }) => http);
  const sockets = rounds.map((round) => round.sockets);
  return [
    figure(`requests of ${CLIENTS} clients`, clients, "failed"),
    figure(`${SOCKETS} WebSockets`, sockets, "closed"),
  ];
}
