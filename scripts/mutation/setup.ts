import { beforeEach } from "vitest";

/** Tests that measure growth or memory, and those whose work is done by processes that do not have the change. */
const LEFT_OUT =
  /\d\d,000|needs no search|without a search|without a pass|is garbage|E1: memory|after SIGKILL|without any crash/;

// Not by testNamePattern: Stryker has one of its own.
beforeEach(({ task, skip }) => {
  if (LEFT_OUT.test(task.fullTestName)) skip();
});
