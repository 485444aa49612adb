/**
 * The steps at which a process can die or the medium can refuse, in the words of the state table in docs/storage.md.
 * Each is announced just before it is done.
 */
export type StoreStep =
  | "journal-create"
  | "journal-start"
  | "journal-start-sync"
  | "journal-append"
  | "journal-sync"
  | "journal-take-back"
  | "acknowledge"
  | "document-keep"
  | "document-write"
  | "document-rename"
  | "document-remove"
  | "document-sync"
  | "folder-sync"
  | "history-write"
  | "history-sync"
  | "journal-remove";

/** What is tracked of a store: the journal's two writes of a commit, the size being the line's bytes, and checkpoints. */
export type StoreWork = "append" | "sync" | "checkpoint";

/**
 * For tests: called and awaited before each step. One that throws stands for a medium that refuses the step.
 */
export type StepHook = (step: StoreStep) => void | Promise<void>;
