import { afterAll } from "vitest";
import { startApi, type TestApi } from "../support/http-api.ts";
import { wireContract } from "./wire-contract.ts";

const secret = "a secret of the contract's tests";
let api: TestApi | undefined;

wireContract(async () => {
  api = await startApi({ secret });
  return { url: api.url, secret };
});

afterAll(() => api?.[Symbol.asyncDispose]());
