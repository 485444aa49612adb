const actions = new Set<() => void>();

/**
 * Runs an action when the process exits, whatever the reason short of SIGKILL: detached children and folders must not
 * outlive an interrupted run. Synchronous. Returns what takes it back.
 */
export function atExit(action: () => void): () => void {
  if (actions.size === 0 && process.listenerCount("exit", runActions) === 0) {
    process.on("exit", runActions);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.once(signal, () => process.exit(130));
  }
  actions.add(action);
  return () => void actions.delete(action);
}

/** The latest first, as they depend on each other. */
function runActions(): void {
  for (const action of [...actions].reverse()) action();
}
