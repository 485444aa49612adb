import { expect, it } from "vitest";
import { readStoredIngress } from "../../src/manager/fill-catalog.ts";
import { parseInstance } from "../../src/resolver/instance-reader.ts";
import type { CreateCheck } from "../../src/store/bundle/document-check.ts";
import { createDocumentChecks } from "../../src/wiring/document-checks.ts";

const ports = { httpPort: 8000, httpsPort: 8443 };
const documentChecks = createDocumentChecks(ports);

async function checkOf({ module, settings }: { readonly module: string; readonly settings: unknown }) {
  const { createCheck } = (await import(module)) as { readonly createCheck: CreateCheck };
  return createCheck(settings);
}

it("checks ingresses as a start does, with its ports", async () => {
  const check = await checkOf(documentChecks.ingresses);
  const rule = { match: { hostname: "Shop.example.com" }, target: { instance: "web", port: 8080 } };
  const stored = { id: "a", name: "shop", rules: [rule], created_at: "2026-01-01T00:00:00Z" };
  expect(check(stored)).toEqual(readStoredIngress(stored, ports));
  expect(check(stored)).toMatchObject({ rules: [{ match: { hostname: "shop.example.com", port: 8000 } }] });
  expect(check(check(stored))).toEqual(check(stored));
  expect(() => check({ ...stored, rules: [] })).toThrow("minimum number of items is 1");
});

it("checks instances as a start does", async () => {
  const check = await checkOf(documentChecks.instances);
  const stored = { id: "a", name: "web", network: { ip: "10.0.0.5" }, state: "Running" };
  expect(check(stored)).toEqual(parseInstance(stored));
  expect(() => check({ id: "a" })).toThrow("name");
});
