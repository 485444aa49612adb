import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildDashboard, dashboardFolder } from "../../scripts/build-dashboard.ts";

const MOST_BYTES = 150_000;
const MOST_AT_FIRST_BYTES = 75_000;

it("is small: all of it, and what is needed to begin with", async () => {
  await buildDashboard();
  const names = (await readdir(dashboardFolder, { recursive: true })).filter((name) => name.endsWith(".gz"));
  const sizes = await Promise.all(
    names.map(async (name) => [name, (await stat(join(dashboardFolder, name))).size] as const),
  );
  const page = await readFile(join(dashboardFolder, "index.html"), "utf8");
  const first = sizes.filter(([name]) => name === "index.html.gz" || page.includes(name.slice(0, -3)));
  const sum = (some: typeof sizes): number => some.reduce((total, [, size]) => total + size, 0);
  expect(first.length).toBeGreaterThanOrEqual(4);
  expect(sum(first), JSON.stringify(first)).toBeLessThan(MOST_AT_FIRST_BYTES);
  expect(sum(sizes), JSON.stringify(sizes)).toBeLessThan(MOST_BYTES);
});

it("names nothing from elsewhere, and has no script or style in the page", async () => {
  await buildDashboard();
  const page = await readFile(join(dashboardFolder, "index.html"), "utf8");
  const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThanOrEqual(3);
  for (const address of addresses) expect(address).toMatch(/^\/assets\/[\w.-]+$/);
  expect(page).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]* src=)/);
});

it("is built once: what is up to date is left as it is", async () => {
  await buildDashboard();
  expect(await buildDashboard()).toBe(false);
});
