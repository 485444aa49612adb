import { defineConfig } from "vitest/config";

/** What each mutant meets: the tests that scripts/mutate.ts names, without those that measure growth or memory. */
export default defineConfig({
  test: {
    include: (process.env["MUTATION_TESTS"] ?? "test/**/*.test.ts").split(","),
    testNamePattern:
      /^(?!.*(\d\d,000|needs no search|without a search|without a pass|is garbage|E1: memory))/,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
