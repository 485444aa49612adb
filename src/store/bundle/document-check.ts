/** Where another process finds what documents are checked by. */
export interface DocumentCheck {
  /** The name of the rules: another one whenever they, or `settings`, may judge otherwise. Lowercase hex digits. */
  readonly key: string;
  /** URL of a module that exports `createCheck` of the type `CreateCheck`. */
  readonly module: string;
  /** Handed to `createCheck`; it is sent as JSON. */
  readonly settings: unknown;
}

/**
 * Makes a check as `Validate` of folder-reader.ts: it returns what whoever opens the store gets, the value itself where
 * that is good as it is, and throws when it is not good.
 */
export type CreateCheck = (settings: unknown) => (value: unknown) => unknown;
