import { goBinary } from "./go-binary.ts";

/** Path of Pebble, a real ACME authority for tests. */
export const pebbleBinary = (): Promise<string> =>
  goBinary({ package: "github.com/letsencrypt/pebble/v2/cmd/pebble", version: "v2.10.1" });
