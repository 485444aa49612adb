import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCatalogue } from "../src/errors.ts";
import { errorStatus } from "../src/http/error-status.ts";
import document from "../src/model/openapi.json" with { type: "json" };

interface Row {
  readonly code: string;
  readonly status: number;
  readonly when: string;
  readonly remedy: string;
}

const text = readFileSync(join(import.meta.dirname, "../docs/errors.md"), "utf8");
const rows: readonly Row[] = text
  .split("\n")
  .map((line) => /^\| `([^`]+)` \| (\d+) \| (.*) \| (.*) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, code = "", status, when = "", remedy = ""]) => ({ code, status: Number(status), when, remedy }));

const codes = Object.keys(errorCatalogue) as ErrorCode[];

describe("docs/errors.md", () => {
  it("has every code of src/errors.ts once, in its order, and no other", () => {
    expect(rows.map(({ code }) => code)).toEqual(codes);
  });

  it.each(rows)("says of $code what the code says", ({ code, status, when, remedy }) => {
    expect(when).toBe(errorCatalogue[code as ErrorCode]);
    expect(status).toBe(errorStatus[code as ErrorCode]);
    expect(remedy, "a remedy").toMatch(/^[A-Z`].{10,}\.$/);
  });

  it("names only pages that are there", () => {
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(0);
    for (const link of links)
      expect(readFileSync(join(import.meta.dirname, "../docs", link), "utf8")).not.toBe("");
  });
});

describe("/openapi.json", () => {
  it("lists the same codes", () => {
    expect(document.components.schemas.ErrorCode.enum).toEqual(codes);
  });

  it("documents for each operation only statuses that some code has", () => {
    const statuses = new Set(Object.values(errorStatus).map(String));
    const documented = Object.values(document.paths).flatMap((path) =>
      Object.values(path).flatMap((operation: { responses?: object }) =>
        Object.keys(operation.responses ?? {}),
      ),
    );
    const errors = documented.filter((status) => Number(status) >= 400);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.filter((status) => !statuses.has(status))).toEqual([]);
  });
});

it("statuses are those of HTTP errors", () => {
  for (const status of Object.values(errorStatus)) expect(status >= 400 && status < 600).toBe(true);
});
