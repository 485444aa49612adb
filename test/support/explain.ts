import { expect } from "vitest";
import type { ExplainRequest, Explanation } from "../../src/model/api.ts";
import { call } from "./api.ts";

/** Asks a Gatewright what becomes of a request. */
export async function explain(url: string, request: ExplainRequest): Promise<Explanation> {
  const { status, text, body } = await call<Explanation>(`${url}/explain`, { method: "POST", body: request });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return body;
}

/** A page of Gatewright's without the id of its request, by which no two are alike. */
export function withoutId(page: string): string {
  return page.replace(/Request [\w-]+/, "");
}
