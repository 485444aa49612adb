/** The steps of a batch, in their order; a crash can fall between any two (docs/applying.md). */
export type WriterStep = "stage" | "render" | "apply" | "persist" | "commit";

/**
 * What is tracked of changes: the steps of batches; what a change is for its caller, with all that it waits for; what
 * Caddy is asked to take (`load`: a configuration, `table`: rows of the host table); bringing Caddy to the stored state.
 */
export type ApplyStep = WriterStep | "change" | "load" | "table" | "restore";
