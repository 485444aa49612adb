import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Measurement, Report } from "../../bench/report.ts";

const main = join(import.meta.dirname, "../../bench/main.ts");
const rows = ["proxied", "create", "churn", "move", "restart", "list"];
/** Measured once, whatever the sizes are. */
const once = ["policies-many"];
const LARGE = 1000;

/**
 * The benchmark in small, beside other tests: shows that it runs, that nothing fails meanwhile, and that no ratio
 * collapses. Its bounds are far from the goals, since the machine is busy; no absolute time is checked.
 */
describe("the benchmark", () => {
  let folder: string;
  let report: Report;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gatewright-bench-test-"));
    const file = join(folder, "report.json");
    const args = ["--quick", "--sizes", `1,${LARGE}`, "--only", [...rows, ...once].join(","), "--json", file];
    await promisify(execFile)(process.execPath, [main, ...args]);
    report = JSON.parse(await readFile(file, "utf8")) as Report;
  }, 180_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const figure = (what: string, size = LARGE): Measurement => {
    const found = report.measurements.find((one) => one.size === size && one.what.startsWith(what));
    if (found === undefined) throw new Error(`the benchmark has no figure "${what}" at ${size}`);
    return found;
  };

  it("measures each row at each size", () => {
    for (const size of [1, LARGE])
      expect(
        [...new Set(report.measurements.filter((one) => one.size === size).map(({ row }) => row))].sort(),
      ).toEqual(rows.toSorted());
    for (const one of report.measurements) expect(one.value, one.what).toBeGreaterThanOrEqual(0);
  });

  it("measures rows to which the size does not matter once", () => {
    const figures = report.measurements.filter(({ row }) => once.includes(row)).map(({ what }) => what);
    expect(figures.length).toBeGreaterThan(0);
    expect(figures).toEqual([...new Set(figures)]);
  });

  it("a request through policies of its own costs at most four times one static route's processor time", () => {
    expect(figure("processor time of a proxied request, policies of their own", 100).ratio).toBeLessThan(4);
  });

  it("a create with new policies costs at most four times one with known ones", () => {
    expect(figure("create with a policy set of its own", 100).ratio).toBeLessThan(4);
  });

  it("a request costs at most three times the processor time of one static route", () => {
    expect(figure("processor time of a proxied request").ratio).toBeLessThan(3);
  });

  it("proxied requests are at least a quarter of one static route's", () => {
    expect(figure("proxied requests").ratio).toBeGreaterThan(0.25);
  });

  it("a create costs at most four times what it costs with one ingress, and less than with flat routes", () => {
    expect(figure("create p50").ratio).toBeLessThan(4);
    expect(figure("create p50, against flat routes").ratio).toBeLessThan(1);
  });

  it("no request fails and no WebSocket closes during creates, updates, deletes, moves and a restart", () => {
    const failures = report.measurements.filter(({ unit }) => unit === "failed" || unit === "closed");
    expect(failures.filter(({ value }) => value > 0)).toEqual([]);
    expect(failures.length).toBeGreaterThanOrEqual(8);
  });
});
