import { describe, expect, it } from "vitest";
import type { Row } from "../../src/compiler/row.ts";
import { normalizeStored } from "../../src/validation/ingress.ts";
import { type RequestsCase, readRequestsCases, type Taker } from "../support/cases.ts";
import { compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { type CaseRequest, hostOf, matchReference, rowsTie } from "../support/reference-matcher.ts";

const settings = compilerSettings({
  tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: ["*"], issuer: "internal" },
});
const cases = readRequestsCases();

it("there are cases", () => expect(cases.length).toBeGreaterThan(5));

/** The documents as the manager would store them, compiled. */
function compiled(ingresses: RequestsCase["ingresses"]) {
  const stored = ingresses.map((document, index) =>
    normalizeStored({ ...document, id: `i${index}`, created_at: "2026-01-01T00:00:00Z" }, settings),
  );
  return compile(stored, settings);
}

function takerOf(row: Row | undefined, { host, path }: CaseRequest): Taker {
  if (row === undefined) return null;
  if (row.redirect !== undefined)
    return { redirect: { host: hostOf(host), port: row.redirect.port, target: path } };
  return { ingress: row.ingress, rule: Number(row.id.split("/")[1]) };
}

describe.each(cases)("the rows compiled from requests/$file", ({ ingresses, requests }) => {
  const { config, table } = compiled(ingresses);

  it.each(requests)("$method $host $path on $port (tls $tls) → $want", ({ want, ...request }) => {
    expect(takerOf(matchReference(table.rows, request), request)).toEqual(want);
  });

  it("have no ties, name ports that the configuration has, and come with their policy sets", () => {
    const servers = Object.values(config.apps.http?.servers ?? {});
    const ports = new Set(
      servers.flatMap(({ listen }) => listen).map((address) => address.split(":").at(-1)),
    );
    for (const [index, row] of table.rows.entries()) {
      expect(ports).toContain(String(row.port));
      if (row.policy !== undefined) expect(table.policy_sets).toHaveProperty(row.policy);
      const ties = table.rows.slice(index + 1).filter((other) => rowsTie(row, other));
      expect(
        ties.filter(({ redirect }) => redirect?.port !== row.redirect?.port || redirect === undefined),
      ).toEqual([]);
    }
  });
});
