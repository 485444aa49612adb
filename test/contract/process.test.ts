import { afterAll } from "vitest";
import { type Gatewright, startGatewright } from "../support/gatewright.ts";
import { wireContract } from "./wire-contract.ts";

const secret = "a secret of the process's tests";
let gatewright: Gatewright | undefined;

/** The same contract against the whole: manager, store, DNS and Caddy in processes of their own. */
wireContract(async () => {
  gatewright = await startGatewright({ JWT_SECRET: secret });
  return { url: gatewright.url, secret };
});

afterAll(() => gatewright?.[Symbol.asyncDispose]());
