import { expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { CliHome } from "../support/run-cli.ts";
import { ingressOf } from "../support/sketch.ts";
import { use } from "../support/use.ts";

const SIZE = 100_000;

const home = use(async () => new CliHome());
const api = use(() =>
  startApi({ ingresses: Array.from({ length: SIZE }, (_, index) => ingressOf(`n${index}`)) }),
);

it("100,000 ingresses are listed in a table that is written as they come, in a small heap", {
  timeout: 240_000,
}, async () => {
  // As an array of objects they would take twice as much.
  const env = { GATEWRIGHT_URL: api.url, NODE_OPTIONS: "--max-old-space-size=32" };
  const { code, stdout, stderr } = await home.run(["ingress", "list"], { env });
  expect([code, stderr]).toEqual([0, ""]);
  const [head = "", ...rows] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^NAME +TAKES +LEADS TO +TAGS +CHANGED$/);
  expect(new Set(rows.map((row) => row.split(" ")[0])).size).toBe(SIZE);
  const { stdout: json } = await home.run(["ingress", "list", "-o", "json"], { env });
  const parsed = JSON.parse(json) as readonly unknown[];
  expect([parsed.length, json === `${JSON.stringify(parsed, null, 2)}\n`]).toEqual([SIZE, true]);
});
