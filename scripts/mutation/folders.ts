/** What is mutated, and the tests that each mutant meets: fast ones that need no Caddy. */
export interface MutatedFolder {
  /** Globs of files under the top folder. */
  readonly mutate: readonly string[];
  readonly tests: readonly string[];
}

const tests = (...folders: readonly string[]): readonly string[] =>
  folders.map((folder) => (folder.endsWith(".ts") ? `test/${folder}` : `test/${folder}/**/*.test.ts`));

const source = (folder: string, ...without: readonly string[]): readonly string[] => [
  `src/${folder}/**/*.ts`,
  ...without.map((file) => `!src/${folder}/${file}`),
];

/** Folders of src/ by name. */
export const mutatedFolders: { readonly [name: string]: MutatedFolder } = {
  model: { mutate: source("model", "api.ts"), tests: tests("model", "validation") },
  validation: { mutate: source("validation"), tests: tests("validation", "policies", "compiler") },
  policies: { mutate: source("policies"), tests: tests("policies", "validation", "compiler") },
  compiler: { mutate: source("compiler"), tests: tests("compiler", "policies") },
  manager: { mutate: source("manager"), tests: tests("manager") },
  // Without the programs of other processes and threads, which do not have the change.
  store: {
    mutate: source("store", "bundle/bundle-process.ts", "bundle/scan-worker.ts"),
    tests: tests("store"),
  },
  "store/history": {
    mutate: source("store/history"),
    tests: tests("store/history.test.ts", "http/changes.test.ts"),
  },
  events: { mutate: source("events"), tests: tests("events", "http/events.test.ts") },
  explain: { mutate: source("explain"), tests: tests("explain", "http/observe.test.ts") },
  telemetry: {
    mutate: source("telemetry"),
    tests: tests("telemetry", "http/telemetry.test.ts", "http/ingress-traffic.test.ts"),
  },
  tokens: {
    mutate: source("tokens"),
    tests: tests("tokens", "http/tokens.test.ts", "http/identity-provider.test.ts"),
  },
  dns: { mutate: source("dns"), tests: tests("dns") },
  targets: { mutate: source("targets"), tests: tests("targets") },
  http: {
    mutate: source("http"),
    tests: tests("http", "contract/wire.test.ts", "contract/sdk.test.ts"),
  },
};
