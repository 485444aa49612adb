import { describe, expect, it } from "vitest";
import type { Row } from "../../src/compiler/row.ts";
import type { IngressRule } from "../../src/model/api.ts";
import { normalizeRules } from "../../src/validation/ingress.ts";
import { type RequestsCase, readRequestsCases, readRoutingCases, type Taker } from "../support/cases.ts";
import { type CaseRequest, hostOf, matchReference, rowsTie } from "../support/reference-matcher.ts";
import { seededRandom } from "../support/seeded-random.ts";

const ports = { httpPort: 80, httpsPort: 443 };

describe.each(readRoutingCases())("routing/$file: $name", ({ rows, requests }) => {
  it.each(requests)("$method $host $path on $port (tls $tls) → $want", ({ want, ...request }) => {
    expect(matchReference(rows, request)?.id ?? null).toBe(want);
    expect(matchReference([...rows].reverse(), request)?.id ?? null).toBe(want);
  });

  it("asks for each row, and no two rows tie", () => {
    const wanted = new Set(requests.map(({ want }) => want));
    const never = rows.filter(({ id }) => !wanted.has(id)).map(({ id }) => id);
    // Of redirects that are one answer, only one is ever given.
    expect(never.filter((id) => !id.endsWith("/redirect"))).toEqual([]);
    expect(tiesAmong(rows)).toEqual([]);
  });
});

describe.each(readRequestsCases())("requests/$file: $name", ({ ingresses, requests }) => {
  const rows = rowsOf(ingresses);

  it.each(requests)("$method $host $path on $port (tls $tls)", ({ want, ...request }) => {
    expect(takerOf(matchReference(rows, request), request)).toEqual(want);
  });

  it("does not depend on the order of creation", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 20; round += 1) {
      const shuffled = rowsOf([...ingresses].sort(() => random() - 0.5));
      for (const { want, ...request } of requests) {
        expect(takerOf(matchReference(shuffled, request), request)).toEqual(want);
      }
    }
  });
});

/** The rows of documents, made here by hand so that the compiler can be held against them. */
function rowsOf(ingresses: RequestsCase["ingresses"]): Row[] {
  return ingresses.flatMap((ingress) =>
    normalizeRules(ingress, ports).flatMap((rule, index) => {
      const row = rowOf(ingress.name, rule, index);
      if (!rule.redirect_http) return [row];
      const { id, host } = row;
      return [
        row,
        { id: `${id}/redirect`, ingress: ingress.name, port: 80, host, redirect: { port: row.port } },
      ];
    }),
  );
}

function rowOf(ingress: string, { match, tls }: IngressRule, index: number): Row {
  const { hostname: host, ...rest } = match;
  return { id: `${ingress}/${index}`, ingress, host, ...rest, tls };
}

function takerOf(row: Row | undefined, request: CaseRequest): Taker {
  if (row === undefined) return null;
  if (row.redirect === undefined) return { ingress: row.ingress, rule: Number(row.id.split("/")[1]) };
  return { redirect: { host: hostOf(request.host), port: row.redirect.port, target: request.path } };
}

/** Rows that nothing tells apart for some request; shared redirects are one answer. */
function tiesAmong(rows: readonly Row[]): string[] {
  return rows.flatMap((row, index) =>
    rows
      .slice(index + 1)
      .filter((other) => rowsTie(row, other))
      .filter((other) => row.redirect === undefined || row.redirect.port !== other.redirect?.port)
      .map((other) => `${row.id} = ${other.id}`),
  );
}
