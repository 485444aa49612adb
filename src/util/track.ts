/**
 * Runs a piece of work and notes what it was, how long it took, how it ended and, where one is given, its size; for
 * metrics, traces and tests. The work's outcome is the caller's: it is neither changed nor swallowed.
 */
export type Track<Work extends string> = <Result>(
  work: Work,
  run: () => Promise<Result>,
  size?: number,
) => Promise<Result>;

/** Notes nothing. */
export const untracked: Track<string> = (_work, run) => run();
