import { expect, test } from "vitest";
import { commandStep, runBeside, runSteps, type Step, sum } from "../../scripts/steps.ts";

const step = (title: string, run: Step["run"]): Step => ({ title, run });

/** Runs with a sink and returns what was printed, without the times. */
async function printed(steps: readonly Step[]) {
  let text = "";
  const tally = await runSteps(steps, (more) => (text += more));
  return { tally, text: text.replaceAll(/\d+\.\d s/g, "0.0 s") };
}

test("goes on after a step that fails or throws, and tells what each gave", async () => {
  const { tally, text } = await printed([
    step("one", () => Promise.reject(new Error("broken"))),
    step("two", async (sink) => {
      sink?.("working\n");
      return { passed: 3, failed: 1 };
    }),
  ]);
  expect(tally).toMatchObject({ passed: 3, failed: 2 });
  expect(text).toBe(
    "\n== one\nbroken\n-- one: 0 passed, 1 failed (0.0 s)\n" +
      "\n== two\nworking\n-- two: 3 passed, 1 failed (0.0 s)\n",
  );
});

test("a program's exit code is the verdict, and its words go to the sink", async () => {
  const node = (code: string): Step => commandStep(code, process.execPath, ["-e", code]);
  const { tally, text } = await printed([
    node("console.log('out'); console.error('err')"),
    node("process.exit(3)"),
    commandStep("missing", "/no/such/program", []),
  ]);
  expect(tally).toMatchObject({ passed: 1, failed: 2 });
  expect(text).toContain("out\n");
  expect(text).toContain("err\n");
  expect(text).toContain("/no/such/program cannot be run");
});

test("steps beside others run meanwhile", async () => {
  const met = Promise.withResolvers<void>();
  const tally = await runBeside(
    [step("waits", async () => met.promise.then(() => ({ passed: 1, failed: 0 })))],
    [
      step("comes", async () => {
        met.resolve();
        return { passed: 0, failed: 1, times: [{ name: "t", seconds: 1 }] };
      }),
    ],
  );
  expect(tally).toEqual({ passed: 1, failed: 1, times: [{ name: "t", seconds: 1 }] });
  expect(sum([])).toEqual({ passed: 0, failed: 0, times: [] });
});
