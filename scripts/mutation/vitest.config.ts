import path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Vitest begins with the slowest file, and Stryker ends at the first test that fails. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).reverse();
  }
}

/** What each mutant meets: the tests that scripts/mutate.ts names, but for those that `setup.ts` leaves out. */
export default defineConfig({
  test: {
    include: (process.env["MUTATION_TESTS"] ?? "test/**/*.test.ts").split(","),
    setupFiles: [path.join(import.meta.dirname, "setup.ts")],
    sequence: { sequencer: QuickFirst },
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
