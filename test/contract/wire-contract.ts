import { beforeAll } from "vitest";
import { ContractRun, type ContractTarget } from "./contract-run.ts";
import { authContract } from "./wire-auth.ts";
import { refusalContract } from "./wire-refusals.ts";
import { resourceContract } from "./wire-resources.ts";

/**
 * hypeman's wire contract, as tests over real HTTP. They make their own instances and ingresses under names of their
 * own, so that they run against any target, also one that has others.
 */
export function wireContract(start: () => Promise<ContractTarget>): void {
  const run = new ContractRun();
  beforeAll(async () => run.begin(await start()));
  resourceContract(run);
  refusalContract(run);
  authContract(run);
}
