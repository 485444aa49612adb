import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import openapi from "../../src/model/openapi.json" with { type: "json" };
import { policies } from "../../src/policies/index.ts";

const root = join(import.meta.dirname, "../..");
// Pages stand beside the handlers: they are for what any of these refuses.
const inOrder = policies.map(({ key }) => key).filter((key) => key !== "error_pages");

/** What a text has in backquotes. */
function named(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

describe("the order of policies", () => {
  it("is that of docs/routing.md", () => {
    const page = readFileSync(join(root, "docs/routing.md"), "utf8");
    const order = /^## Order\n\n([\s\S]*?) the proxy$/m.exec(page)?.[1] ?? "";
    expect(named(order)).toEqual(inOrder);
  });

  it("is that of the API's description", () => {
    expect(named(openapi.components.schemas.Policies.description)).toEqual(inOrder);
  });
});
